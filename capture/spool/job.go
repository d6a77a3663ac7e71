package spool

// Job is a segment together with its way to one destination; Delivery.Upload is
// filled with its parts when an upload is open.
type Job struct {
	Segment  Segment
	Delivery Delivery
}
