package spool

import (
	"errors"
	"testing"
	"testing/synctest"
	"time"
)

func TestFilesThatOthersHold(t *testing.T) {
	isHeld := errors.New("used by another process")
	other := errors.New("no such file")
	for name, tc := range map[string]struct {
		fails []error // the attempts, before they succeed
		want  error
		takes time.Duration
	}{
		"free":             {nil, nil, 0},
		"held for a while": {[]error{isHeld, isHeld, isHeld}, nil, 3 * heldPause},
		"another error":    {[]error{other}, other, 0},
		"held, then gone":  {[]error{isHeld, other}, other, heldPause},
		"held on and on":   {[]error{isHeld, isHeld, isHeld, isHeld, isHeld, isHeld, isHeld, isHeld, isHeld, isHeld, isHeld}, isHeld, (heldAttempts - 1) * heldPause},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				began, fails := time.Now(), tc.fails
				err := unlessHeld(func(err error) bool { return errors.Is(err, isHeld) }, func() error {
					if len(fails) == 0 {
						return nil
					}
					err := fails[0]
					fails = fails[1:]
					return err
				})
				if took := time.Since(began); !errors.Is(err, tc.want) || took != tc.takes {
					t.Errorf("%v after %v, want %v after %v", err, took, tc.want, tc.takes)
				}
			})
		})
	}
}
