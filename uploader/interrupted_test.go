package uploader

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"net/http"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/net/dns/dnsmessage"

	"recording-agent/capture/spool"
	"recording-agent/uploader/s3/s3test"
	"recording-agent/uploader/wiretest"
)

// However often uploads are cut short, what goes over the wire is the objects,
// what was under way each time, and the first part once more.
func TestInterruptedUploadsSendLittleTwice(t *testing.T) {
	const parallel, seeds = 2, 4
	var buckets []string
	for i := range seeds {
		buckets = append(buckets, fmt.Sprintf("cut-%02d", i))
	}
	server := s3test.Run(t, false, buckets...)
	for seed := range seeds {
		t.Run(fmt.Sprint("seed ", seed), func(t *testing.T) {
			n := newNetwork(t, buckets[seed], server, false)
			n.line.Set(wiretest.Fault{Bandwidth: 25 << 20})
			rng := rand.New(rand.NewPCG(uint64(seed), 7))
			finished, growing := n.begin(1, 23<<20).finish(), n.begin(2, 23<<20)
			interruptions := 0
			for size := 0; size < len(growing.data); interruptions++ {
				size += rng.IntN(6 << 20)
				growing.grow(min(size, len(growing.data)))
				n.start("127.0.0.1")
				time.Sleep(time.Duration(100+rng.IntN(400)) * time.Millisecond)
				if rng.IntN(2) == 0 { // the line first: what is under way is torn
					n.line.Set(wiretest.Fault{Cut: true})
				}
				n.stop() // nothing but the ledger is left
				n.line.Set(wiretest.Fault{Bandwidth: 25 << 20})
			}
			growing.finish()
			n.start("127.0.0.1")
			n.settled(finished, growing)
			objects := int64(len(finished.data) + len(growing.data))
			most := objects + int64(interruptions*parallel*part) + part
			n.mu.Lock()
			defer n.mu.Unlock()
			t.Logf("%d interruptions: %.1f MB of bodies for %.1f MB of objects, allowed are %.1f MB", interruptions, float64(n.bodies)/1e6, float64(objects)/1e6, float64(most)/1e6)
			if n.bodies > most || n.bodies < objects || interruptions < 3 {
				t.Errorf("%d bytes of bodies went over the wire for objects of %d bytes after %d interruptions, allowed are %d", n.bodies, objects, interruptions, most)
			}
		})
	}
}

// names is a DNS server that knows every name, or none.
func names(t *testing.T, broken *atomic.Bool) (address string) {
	t.Helper()
	conn, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		buffer := make([]byte, 1500)
		for {
			size, from, err := conn.ReadFrom(buffer)
			if err != nil {
				return
			}
			var m dnsmessage.Message
			if m.Unpack(buffer[:size]) != nil || len(m.Questions) != 1 {
				continue
			}
			m.Response, m.Authoritative, m.Additionals = true, true, nil
			q := m.Questions[0]
			switch {
			case broken.Load():
				m.RCode = dnsmessage.RCodeNameError
			case q.Type == dnsmessage.TypeA:
				m.Answers = []dnsmessage.Resource{{
					Header: dnsmessage.ResourceHeader{Name: q.Name, Type: q.Type, Class: q.Class, TTL: 1}, Body: &dnsmessage.AResource{A: [4]byte{127, 0, 0, 1}},
				}}
			}
			if reply, err := m.Pack(); err == nil {
				_, _ = conn.WriteTo(reply, from)
			}
		}
	}()
	t.Cleanup(func() {
		conn.Close()
		<-done
	})
	return conn.LocalAddr().String()
}

// The name of the store is not known for a while.
func TestNameOfTheStoreIsNotKnown(t *testing.T) {
	var broken atomic.Bool
	broken.Store(true)
	address := names(t, &broken)
	before := net.DefaultResolver
	net.DefaultResolver = &net.Resolver{PreferGo: true, Dial: func(ctx context.Context, _, _ string) (net.Conn, error) {
		var d net.Dialer
		return d.DialContext(ctx, "udp", address)
	}}
	t.Cleanup(func() { net.DefaultResolver = before })

	n := newNetwork(t, "named", s3test.Run(t, false, "named"), false)
	f := n.begin(1, 11<<20).finish()
	n.start("store.example.com")
	n.until(20*time.Second, func() string {
		if s := n.uploader.Status(); s.Connected || s.LastError != "the store's host name store.example.com is not known" {
			return fmt.Sprintf("the status to tell of the name: %+v", s)
		}
		return ""
	})
	broken.Store(false)
	n.settled(f)
	n.within(1)
}

// While the uplink stalls, the recorder's hints do not wait for anybody.
func TestStalledUplinkDoesNotHoldUpRecording(t *testing.T) {
	n := newNetwork(t, "stalled", s3test.Run(t, false, "stalled"), false)
	n.line.Set(wiretest.Fault{Stalled: true})
	f := n.begin(1, 11<<20)
	n.start("127.0.0.1")
	f.grow(part + 1)
	n.until(10*time.Second, func() string {
		if n.uploader.Status().InFlight == 0 {
			return "a part under way"
		}
		return ""
	})
	done := make(chan struct{})
	go func() {
		defer close(done)
		for i := range 1000 {
			n.spool.Grown(f.seg.ID, int64(part+i))
		}
		f.finish()
	}()
	select {
	case <-done:
	case <-time.After(10 * time.Second):
		t.Fatal("the recorder waits for the uplink")
	}
	n.line.Set(wiretest.Fault{})
	n.settled(f)
}

// A part that takes longer than the stall limit, but moves all the time, is not
// stalled: on a poor uplink every part is like that.
func TestPartSlowerThanTheStallLimit(t *testing.T) {
	server := s3test.Run(t, false, "slow", "slow-tls")
	t.Run("slow", func(t *testing.T) {
		for bucket, secure := range map[string]bool{"slow": false, "slow-tls": true} {
			t.Run(bucket, func(t *testing.T) {
				t.Parallel()
				n := newNetwork(t, bucket, server, secure)
				n.stall = 3 * time.Second
				n.line.Set(wiretest.Fault{Bandwidth: 600_000}) // 9 s a part
				f := n.begin(1, 6<<20).finish()
				n.start("127.0.0.1")
				n.settled(f)
				n.within(1)
			})
		}
	})
}

// completeUnheard has the store put the object together, and stops; from then on nothing
// is learned from the store.
func (n *network) completeUnheard(f *footage) {
	n.t.Helper()
	var completed atomic.Bool
	n.set(func(w http.ResponseWriter, r *http.Request, _ []byte) bool {
		switch {
		case r.Method == http.MethodPost && r.URL.Query().Has("uploadId"):
			completed.Store(true)
		case completed.Load():
			panic(http.ErrAbortHandler) // nothing more is learned from the store
		}
		return false
	})
	n.start("127.0.0.1")
	n.until(20*time.Second, func() string {
		if d, err := n.spool.Deliveries(n.t.Context(), f.seg.ID); err != nil || d[0].State != spool.Stored {
			return fmt.Sprintf("the object to be stored: %+v, %v", d, err)
		}
		return ""
	})
	n.stop()
}

// The agent dies after the store has put the object together, and before that is
// noted: nothing is sent again, and nothing is left open.
func TestKilledAfterComplete(t *testing.T) {
	n := newNetwork(t, "killed", s3test.Run(t, false, "killed"), false)
	f := n.begin(1, 23<<20).finish()
	n.completeUnheard(f)
	// As if the row had not been written.
	if err := n.spool.DeliveryRejected(t.Context(), f.seg.ID, "primary", "killed", time.Now().Add(-time.Minute)); err != nil {
		t.Fatal(err)
	}
	n.mu.Lock()
	before := n.bodies
	n.mu.Unlock()
	n.set(nil)
	n.start("127.0.0.1")
	n.settled(f)
	n.mu.Lock()
	defer n.mu.Unlock()
	if again := n.bodies - before; again > 0 {
		t.Errorf("%d bytes of an object that was complete were sent again", again)
	}
}

// TestGivenUpAfterComplete: the store has put the object together, nobody here has heard
// of it, and then the file had to go. The store is asked, and the segment is not lost.
func TestGivenUpAfterComplete(t *testing.T) {
	n := newNetwork(t, "givenup", s3test.Run(t, false, "givenup"), false)
	arrived := n.begin(1, 23<<20).finish()
	n.completeUnheard(arrived)
	lost := n.begin(2, 1<<20).finish()
	// As if the row had not been written.
	err := n.spool.DeliveryRejected(t.Context(), arrived.seg.ID, "primary", "killed", time.Now().Add(-time.Minute))
	for _, f := range []*footage{arrived, lost} {
		seg, serr := n.spool.Segment(t.Context(), f.seg.ID)
		_, gerr := n.spool.GiveUp(t.Context(), spool.Local{Segment: seg}, "the disk was full")
		err = errors.Join(err, serr, gerr)
	}
	if err != nil {
		t.Fatal(err)
	}
	n.start("127.0.0.1")
	for range 2 { // the second time without asking
		if yes, err := n.uploader.Arrived(t.Context(), arrived.seg.ID); yes || err == nil {
			t.Errorf("the store does not answer: %v, %v", yes, err)
		}
	}
	n.stop()
	n.set(nil)
	n.start("127.0.0.1")
	for f, want := range map[*footage]bool{arrived: true, lost: false} {
		if yes, err := n.uploader.Arrived(t.Context(), f.seg.ID); yes != want || err != nil {
			t.Errorf("segment %s: %v, %v; want %v", f.seg.ID, yes, err, want)
		}
	}
	for f, want := range map[*footage]spool.State{arrived: spool.Deleted, lost: spool.Missing} {
		if seg, err := n.spool.Segment(t.Context(), f.seg.ID); err != nil || seg.State != want {
			t.Errorf("segment %s is %s, %v; want %s", f.seg.ID, seg.State, err, want)
		}
	}
	if l, err := n.spool.Losses(t.Context()); err != nil || l.Segments != 1 {
		t.Errorf("losses %+v, %v", l, err)
	}
}
