package rtsp

// addJPEG takes in a picture, from which decoding can always start. One whose
// size cannot be read is none.
func (au *accessUnit) addJPEG(file []byte) {
	au.sets.Width, au.sets.Height = jpegSize(file)
	if au.sets.Width == 0 || au.sets.Height == 0 {
		return
	}
	au.picture, au.first, au.key = true, true, true
	au.units = append(au.units, file)
}

// jpegSize finds the start of frame (ITU-T T.81, section B.2.2); zeros when there
// is none before the picture's data.
func jpegSize(file []byte) (width, height int) {
	const startOfScan = 0xda
	for at := 2; at+9 <= len(file) && file[at] == 0xff && file[at+1] != startOfScan; {
		if kind := file[at+1]; kind >= 0xc0 && kind <= 0xc2 {
			return int(file[at+7])<<8 | int(file[at+8]), int(file[at+5])<<8 | int(file[at+6])
		}
		at += 2 + (int(file[at+2])<<8 | int(file[at+3]))
	}
	return 0, 0
}
