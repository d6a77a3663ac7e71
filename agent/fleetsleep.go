package main

// rest ends all cameras, each of which finishes its segment, and lets none run until
// wake is called. The channel is closed when none runs.
func (f *fleet) rest() <-chan struct{} {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.resting == nil {
		f.resting = make(chan struct{})
		f.hint()
	}
	return f.resting
}

// wake lets cameras run again.
func (f *fleet) wake() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.resting = nil
	f.hint()
}

// rested says whether the fleet is to rest, and tells when it does. The mutex is held.
func (f *fleet) rested() bool {
	if f.resting == nil {
		return false
	}
	for _, b := range f.berths {
		if b.stop != nil {
			return true
		}
	}
	select {
	case <-f.resting:
	default:
		close(f.resting)
	}
	return true
}
