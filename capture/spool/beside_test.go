package spool

import (
	"context"
	"slices"
	"testing"
	"time"
)

// Lists are read page by page while the agent writes: nothing twice, nothing left
// out, and what is new does not shift the pages.
func TestPages(t *testing.T) {
	ctx, s := t.Context(), open(t, t.TempDir())
	var want []string
	for i := range 5 { // some begin at the same moment
		rec := finished(t, s, []string{"gate", "yard"}[i%2], epoch.Add(time.Duration(i/2)*time.Minute), 1)
		want = append(want, rec.ID)
	}
	var got []string
	for q := (Query{Limit: 2}); ; {
		var entries []Entry
		var more bool
		must(t, s.View(ctx, true, func(v *View) (err error) {
			entries, more, err = v.Segments(ctx, q)
			return err
		}))
		for _, e := range slices.Backward(entries) {
			got = append(got, e.Segment.ID)
		}
		if !more {
			break
		}
		q.After = Mark{entries[0].Segment.Start, entries[0].Segment.ID}
		finished(t, s, "gate", epoch.Add(time.Hour), 1)
	}
	slices.Sort(want)
	sorted := slices.Sorted(slices.Values(got))
	if !slices.Equal(sorted, want) {
		t.Errorf("pages %v, want %v", got, want)
	}
}

func TestPagesOfGaps(t *testing.T) {
	ctx, s := t.Context(), open(t, t.TempDir())
	at := func(minutes int) time.Time { return epoch.Add(time.Duration(minutes) * time.Minute) }
	must(t, s.GapBetween(ctx, "gate", at(0), at(1), Stalled, "one"))
	must(t, s.GapBetween(ctx, "yard", at(2), at(3), Stalled, "two"))
	must(t, s.GapBetween(ctx, "gate", at(4), at(5), DiskFull, "three"))
	must(t, s.GapOpened(ctx, "gate", at(6), Stalled, "four"))
	for name, tc := range map[string]struct {
		q    GapQuery
		want []string
		more bool
	}{
		"all":           {GapQuery{Limit: 10}, []string{"four", "three", "two", "one"}, false},
		"some":          {GapQuery{Limit: 3}, []string{"four", "three", "two"}, true},
		"the rest":      {GapQuery{Limit: 3, After: 2}, []string{"one"}, false},
		"of one camera": {GapQuery{Limit: 10, Camera: "yard"}, []string{"two"}, false},
		"of nobody":     {GapQuery{Limit: 10, Camera: "nobody"}, nil, false},
		"since":         {GapQuery{Limit: 10, Since: at(5)}, []string{"four", "three"}, false},
		"until":         {GapQuery{Limit: 10, Until: at(4)}, []string{"two", "one"}, false},
		"much later":    {GapQuery{Limit: 10, Since: at(600)}, []string{"four"}, false}, // it lasts
	} {
		must(t, s.View(ctx, false, func(v *View) error {
			gaps, more, err := v.Gaps(ctx, tc.q)
			var got []string
			for _, g := range gaps {
				got = append(got, g.Detail)
			}
			if !slices.Equal(got, tc.want) || more != tc.more {
				t.Errorf("%s: %v, more %v; want %v", name, got, more, tc.want)
			}
			return err
		}))
	}
}

// A view sees one moment, holds up no writer, cannot write, and leaves the agent's
// own locks alone.
func TestViewBesideTheAgent(t *testing.T) {
	ctx, s := t.Context(), open(t, t.TempDir())
	finished(t, s, "gate", epoch, 1)
	must(t, s.View(ctx, true, func(v *View) error {
		before, err := v.States(ctx)
		must(t, err)
		must(t, begin(t, s, "gate", epoch.Add(time.Minute)).begun(s)) // would wait for 5 s if it was held up
		after, err := v.States(ctx)
		must(t, err)
		if before[Finished] != 1 || before[Recording] != 0 || after[Recording] != 0 || len(before) != 5 {
			t.Errorf("before %v, after %v", before, after)
		}
		if _, err := v.ledger.db.ExecContext(ctx, "DELETE FROM gaps"); err == nil {
			t.Error("a view can write")
		}
		return nil
	}))
	must(t, s.View(ctx, true, func(v *View) error {
		now, err := v.States(ctx)
		if now[Recording] != 1 {
			t.Errorf("a later view: %v", now)
		}
		return err
	}))
	if _, more := seen(t, s.Dir(), Query{}); more { // others look as before
		t.Error("more")
	}
	must(t, s.Check(ctx))
}

func (rec *recording) begun(s *Spool) error { return s.Begun(context.Background(), rec.Segment) }
