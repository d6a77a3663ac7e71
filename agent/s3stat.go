package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"recording-agent/capture/spool"
	"recording-agent/uploader/s3"
)

const mayRead = "s3:GetObject and s3:ListBucket"

func s3StatCommand(open opener) *cobra.Command {
	var asJSON bool
	c := &cobra.Command{
		Use:   "stat KEY",
		Short: "Show what the store knows of an object, and the ledger of its segment",
		Args:  cobra.ExactArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			s, err := open(c)
			if err != nil {
				return err
			}
			o, err := s.store.Stat(c.Context(), args[0])
			if err != nil {
				return s3.ExplainRead(err, mayRead)
			}
			if asJSON {
				return writeJSON(s.out, s.statJSON(c.Context(), o))
			}
			return s.describeObject(c.Context(), o)
		},
	}
	c.Flags().BoolVar(&asJSON, "json", false, "for programs")
	return c
}

func (s *storage) describeObject(ctx context.Context, o s3.Stored) error {
	var f facts
	f.heading("Object " + shownKey(o.Key))
	f.add("destination", s.destination.Name+", "+s.store.String())
	f.add("size", fmt.Sprintf("%d bytes (%s)", o.Size, sizeText(o.Size)))
	f.add("changed", localTime(o.Modified))
	f.add("type", o.ContentType)
	f.add("etag", o.ETag)
	f.add("checksum", digestText(o.Checksum))
	f.add("storage class", o.StorageClass)
	f.add("encryption", o.Encryption)
	if o.LockMode != "" {
		f.add("locked", o.LockMode+", until "+localTime(o.LockedUntil))
	}
	f.add("version", o.Version)
	for _, name := range slices.Sorted(maps.Keys(o.Metadata)) {
		f.add(few(name), few(o.Metadata[name]))
	}
	f.add("ledger", s.inLedger(ctx, o.Key))
	_, err := io.WriteString(s.out, f.String())
	return err
}

func digestText(d s3.Digest) string {
	if d.Algorithm == "" {
		return "none of the whole object"
	}
	return d.Algorithm + " " + d.Sum
}

// inLedger says what the ledger of this host has of an object.
func (s *storage) inLedger(ctx context.Context, key string) string {
	seg, err := s.recorded(ctx, key)
	switch {
	case errors.Is(err, spool.ErrUnknown):
		return "this host's ledger does not have it, or not any more"
	case err != nil:
		return "not known: " + err.Error()
	}
	text := seg.describeShortly() + "; " + seg.stateAt(s.destination.Name)
	if places := seg.elsewhere(s.destination.Name); len(places) > 0 {
		return text + "; also " + strings.Join(places, ", ")
	}
	return text + "; nowhere else"
}

// storedJSON is an object for programs. Its names are kept; what is not known is null.
type storedJSON struct {
	Destination  string            `json:"destination"`
	Bucket       string            `json:"bucket"`
	Key          string            `json:"key"`
	Size         int64             `json:"size"`
	Modified     *string           `json:"last_modified"`
	ContentType  *string           `json:"content_type"`
	ETag         *string           `json:"etag"`
	Algorithm    *string           `json:"checksum_algorithm"`
	Checksum     *string           `json:"checksum"`
	StorageClass *string           `json:"storage_class"`
	Encryption   *string           `json:"encryption"`
	LockMode     *string           `json:"lock_mode"`
	LockedUntil  *string           `json:"locked_until"`
	Version      *string           `json:"version_id"`
	Metadata     map[string]string `json:"metadata"`
	Segment      *segmentJSON      `json:"segment"` // as in "segments show --json"; null: not in this host's ledger
}

func (s *storage) statJSON(ctx context.Context, o s3.Stored) storedJSON {
	out := storedJSON{
		Destination: s.destination.Name, Bucket: s.destination.Bucket, Key: o.Key, Size: o.Size, Modified: knownTime(o.Modified), ContentType: known(o.ContentType),
		ETag: known(o.ETag), Algorithm: known(o.Checksum.Algorithm), Checksum: known(o.Checksum.Sum), StorageClass: known(o.StorageClass),
		Encryption: known(o.Encryption), LockMode: known(o.LockMode), LockedUntil: knownTime(o.LockedUntil), Version: known(o.Version), Metadata: o.Metadata,
	}
	if out.Metadata == nil {
		out.Metadata = map[string]string{}
	}
	if seg, err := s.recorded(ctx, o.Key); err == nil {
		j := jsonOf(seg)
		out.Segment = &j
	}
	return out
}
