// Package central talks to the central server: it registers segments, reports
// how far they have come, sends heartbeats, and follows which cameras to record. The
// contract is in openapi.yaml.
package central

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"
	"unicode/utf8"
)

const (
	apiPath = "/v0/api/local-client"

	// CallTimeout is the limit of one call. A register call whose answer takes
	// longer counts as lost.
	CallTimeout = 60 * time.Second

	maxAnswer = 4 << 20
	maxName   = 255  // of a recording, in characters; beyond it the server fails for good
	maxError  = 2000 // of an error message, in characters
)

// Options configure a Client.
type Options struct {
	URL   string // http(s)://host, without the API's path
	Token string
}

// Client makes calls. It is safe for concurrent use.
type Client struct {
	base, token string
	http        *http.Client
}

// NewClient prepares a client. It does not talk to the server.
func NewClient(o Options) *Client {
	return &Client{
		base: strings.TrimSuffix(o.URL, "/") + apiPath, token: o.Token,
		http: &http.Client{
			Timeout: CallTimeout,
			// A redirect is not part of the contract: following it could hand the token
			// to another host, or turn a POST into a GET.
			CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		},
	}
}

// Recording is what a register call says of a segment.
type Recording struct {
	CameraID   string
	ScheduleID string // empty: left out; a malformed one is an error of the server
	Name       string // unique per segment
	SegmentID  string // sent as Idempotency-Key
}

// Register makes a row for a segment and returns its recording id. It is not
// idempotent: after a lost answer there may be a row that nobody knows.
func (c *Client) Register(ctx context.Context, r Recording) (recordingID string, err error) {
	q := url.Values{"camera_id": {r.CameraID}}
	if r.ScheduleID != "" {
		q.Set("schedule_id", r.ScheduleID)
	}
	if r.Name != "" {
		q.Set("recording_name", clip(r.Name, maxName))
	}
	var answer struct {
		RecordingID string `json:"recording_id"`
	}
	// In canonical spelling this header makes net/http repeat a POST whose answer
	// was lost, by itself: a second row that nobody counts.
	header := http.Header{"idempotency-key": {r.SegmentID}}
	if err := c.call(ctx, http.MethodPost, "/recordings/register?"+q.Encode(), header, nil, &answer); err != nil {
		return "", err
	}
	if answer.RecordingID == "" || len(answer.RecordingID) > 64 {
		return "", &Error{Call: "register", Kind: WrongPlace, Detail: "the answer holds no recording_id"}
	}
	return answer.RecordingID, nil
}

// Update is the status of a recording. Fields that are empty are left out: null
// is an error to the server.
type Update struct {
	RecordingID  string `json:"recording_id"`
	Status       string `json:"status"` // recording, completed, failed, stopped
	Frames       int64  `json:"frames_recorded,omitempty"`
	FileSize     int64  `json:"file_size,omitempty"`
	ErrorMessage string `json:"error_message,omitempty"`
	Key          string `json:"gcp_path,omitempty"` // the object key, whatever the store

	// What follows is beyond today's server, which ignores it.
	StorageType string  `json:"storage_type,omitempty"`
	FilePath    string  `json:"file_path,omitempty"`
	Bucket      string  `json:"bucket,omitempty"`
	StartTime   string  `json:"start_time,omitempty"` // ISO 8601, UTC
	EndTime     string  `json:"end_time,omitempty"`
	Duration    float64 `json:"duration_seconds,omitempty"`
	Codec       string  `json:"codec,omitempty"`
	Resolution  string  `json:"resolution,omitempty"` // 1920x1080
	FrameRate   float64 `json:"frame_rate,omitempty"`
	Checksum    string  `json:"checksum,omitempty"` // crc64nvme:<base64>
	ClientName  string  `json:"client_name,omitempty"`
	Undated     bool    `json:"undated,omitempty"` // its times say in which order it was recorded, and no more
}

// Report sends the status of a recording.
func (c *Client) Report(ctx context.Context, u Update) error {
	u.ErrorMessage = clip(u.ErrorMessage, maxError)
	return c.call(ctx, http.MethodPost, "/recordings/status", nil, u, nil)
}

// Beat is a heartbeat.
type Beat struct {
	ClientID         string         `json:"client_id"`
	ActiveRecordings int            `json:"active_recordings"`
	AvailableSpaceGB float64        `json:"available_space_gb"`
	LastUpload       string         `json:"last_upload,omitempty"` // ISO 8601, UTC
	SystemInfo       map[string]any `json:"system_info,omitempty"`
}

// Heartbeat tells the server that this client lives.
func (c *Client) Heartbeat(ctx context.Context, b Beat) error {
	return c.call(ctx, http.MethodPost, "/heartbeat", nil, b, nil)
}

// Assigned asks which cameras to record, and when. It is always the whole answer:
// what has changed since a time would be read as all that there is.
func (c *Client) Assigned(ctx context.Context) (a Answer, err error) {
	if a.Cameras, err = c.list(ctx, "/cameras"); err != nil {
		return Answer{}, err
	}
	if a.Schedules, err = c.list(ctx, "/schedules"); err != nil {
		return Answer{}, err
	}
	return a, nil
}

func (c *Client) list(ctx context.Context, path string) (rows []json.RawMessage, err error) {
	if err := c.call(ctx, http.MethodGet, path, nil, nil, &rows); err != nil {
		return nil, err
	}
	if rows == nil { // null
		return nil, &Error{Call: strings.Trim(path, "/"), Status: http.StatusOK, Kind: WrongPlace, Detail: "its answer is no list"}
	}
	return rows, nil
}

// Health asks whether the server answers; it needs no token.
func (c *Client) Health(ctx context.Context) error {
	return c.call(ctx, http.MethodGet, "/health", nil, nil, &struct{}{})
}

// call makes one call. body, if any, is sent as JSON; answer, if any, is decoded.
func (c *Client) call(ctx context.Context, method, path string, header http.Header, body, answer any) error {
	name := strings.Trim(strings.SplitN(path, "?", 2)[0], "/")
	var payload io.Reader
	if body != nil {
		data, err := json.Marshal(body)
		if err != nil {
			return fmt.Errorf("central %s: %w", name, err)
		}
		payload = bytes.NewReader(data)
	}
	req, err := http.NewRequestWithContext(ctx, method, c.base+path, payload)
	if err != nil {
		return fmt.Errorf("central %s: %w", name, err)
	}
	for k, v := range header {
		req.Header[k] = v
	}
	req.Header.Set("Accept", "application/json")
	if body != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	if path != "/health" {
		req.Header.Set("Authorization", "Bearer "+c.token)
	}
	resp, err := c.http.Do(req)
	if err != nil {
		return &Error{Call: name, Kind: Unreachable, Detail: c.networkError(err)}
	}
	defer resp.Body.Close()
	data, err := io.ReadAll(io.LimitReader(resp.Body, maxAnswer+1))
	if err != nil {
		return &Error{Call: name, Kind: Unreachable, Detail: "its answer broke off: " + c.networkError(err)}
	}
	if resp.StatusCode >= 300 { // an error of a proxy in a debug mode may repeat the request
		data = []byte(c.hideToken(string(data)))
	}
	return judge(name, resp, data, answer)
}

// judge tells a verdict of the server from the noise of what is in between.
func judge(name string, resp *http.Response, data []byte, answer any) error {
	if len(data) > maxAnswer {
		return &Error{Call: name, Status: resp.StatusCode, Kind: WrongPlace, Detail: "its answer is too large"}
	}
	if resp.StatusCode < 300 {
		if answer == nil {
			answer = &map[string]any{}
		}
		if err := json.Unmarshal(data, answer); err != nil {
			return &Error{Call: name, Status: resp.StatusCode, Kind: WrongPlace, Detail: "its answer is not the JSON that was expected"}
		}
		return nil
	}
	e := &Error{Call: name, Status: resp.StatusCode}
	var body struct {
		Detail json.RawMessage `json:"detail"`
	}
	if json.Unmarshal(data, &body) != nil || len(body.Detail) == 0 {
		e.Kind, e.Detail = WrongPlace, "the answer is not the central server's"
		if resp.StatusCode == http.StatusInternalServerError {
			e.Kind, e.Detail = ServerFault, "without a word"
		}
		return e
	}
	e.Detail = detailText(body.Detail)
	switch resp.StatusCode {
	case http.StatusUnauthorized:
		e.Kind = Unauthorized
	case http.StatusForbidden, http.StatusNotFound:
		e.Kind = Refused
	case http.StatusBadRequest, http.StatusUnprocessableEntity:
		e.Kind = Invalid
	default:
		e.Kind = ServerFault
	}
	return e
}

// detailText is the server's own words: a string, or the array of a 422.
func detailText(raw json.RawMessage) string {
	var text string
	if json.Unmarshal(raw, &text) != nil {
		text = string(raw)
	}
	return clip(text, 300)
}

// clip removes NUL characters and cuts to n characters: beyond its limits the
// server answers 500 for ever.
func clip(s string, n int) string {
	s = strings.ToValidUTF8(strings.ReplaceAll(s, "\x00", ""), "")
	for utf8.RuneCountInString(s) > n {
		_, size := utf8.DecodeLastRuneInString(s)
		s = s[:len(s)-size]
	}
	return s
}

// networkError is the text of a network error, without the URL that it names.
func (c *Client) networkError(err error) string {
	var u *url.Error
	if errors.As(err, &u) {
		err = u.Err
	}
	return c.hideToken(err.Error())
}

// hideToken takes the token out of what others say.
func (c *Client) hideToken(text string) string {
	if c.token == "" {
		return text
	}
	return strings.ReplaceAll(text, c.token, "***")
}
