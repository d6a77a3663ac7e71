package central

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"time"
)

// Reading is what the clock of whatever answers at central.url shows.
type Reading struct {
	Date time.Time     // in whole seconds; zero when it does not say
	Took time.Duration // from asking to answer
}

// Time asks for a reading. It needs no token, and any answer does.
func (c *Client) Time(ctx context.Context) (Reading, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, c.base+"/health", nil)
	if err != nil {
		return Reading{}, fmt.Errorf("central health: %w", err)
	}
	began := time.Now()
	resp, err := c.http.Do(req)
	if err != nil {
		return Reading{}, &Error{Call: "health", Kind: Unreachable, Detail: c.networkError(err)}
	}
	defer resp.Body.Close()
	_, _ = io.Copy(io.Discard, io.LimitReader(resp.Body, maxAnswer)) // so that the connection serves again
	date, _ := http.ParseTime(resp.Header.Get("Date"))               // zero where there is none
	return Reading{Date: date, Took: time.Since(began)}, nil
}
