#!/bin/sh
# Makes the demo's clips again. Each is 3.2 s: 80 pictures at 25 fps and 150 AAC
# frames at 48 kHz, so that both tracks loop without a seam. The picture shows its
# number as text, and as 16 blocks at the lower edge, least significant bit left.
set -eu
cd "$(dirname "$0")"

blocks="drawbox=x=0:y=ih-48:w=iw:h=48:color=black:t=fill"
for bit in 0 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15; do
	blocks="$blocks,drawbox=x=$((64 + bit * 32)):y=ih-40:w=32:h=32:color=white:t=fill:enable='mod(floor(n/pow(2,$bit)),2)'"
done
picture() { # title, background
	echo "testsrc2=size=1280x720:rate=25,noise=alls=14:allf=t,$blocks,drawtext=text='$1  %{frame_num}':fontsize=96:fontcolor=white:box=1:boxcolor=black:boxborderw=16:x=w/2-tw/2:y=h/2,format=yuv420p"
}

ffmpeg -v error -y -f lavfi -i "$(picture 'Front gate')" -f lavfi -i "sine=frequency=440:beep_factor=4:sample_rate=48000:duration=3.2" \
	-t 3.2 -c:v libx264 -preset medium -profile:v high -bf 2 -g 40 -keyint_min 40 -sc_threshold 0 \
	-b:v 5000k -maxrate 5600k -bufsize 2M -c:a aac -b:a 64k -f mpegts h264-aac.ts
ffmpeg -v error -y -f lavfi -i "$(picture 'Yard')" \
	-t 3.2 -c:v libx265 -preset medium -x265-params "log-level=error:keyint=40:min-keyint=40:scenecut=0:open-gop=0:bframes=0" \
	-b:v 4250k -maxrate 4600k -bufsize 2M -f mpegts h265.ts
