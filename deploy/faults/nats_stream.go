package faults

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/cenkalti/backoff/v4"
)

// NATSStreams is where a NATS server without accounts keeps its streams, a
// directory for each, below the directory of its store.
const NATSStreams = "jetstream/$G/streams"

// KeepStream copies what a running server has on disk of a stream, in place of
// an earlier copy. dir is that of its store, as given to package local. Nobody
// may write to the stream meanwhile. The server's own files come and go all the
// same; then it tries again until the context ends.
func KeepStream(ctx context.Context, dir, stream string) error {
	files := filepath.Join(dir, NATSStreams, stream)
	if _, err := os.Stat(files); err != nil {
		return fmt.Errorf("keep stream %s: %w", stream, err)
	}
	again := backoff.WithContext(backoff.NewExponentialBackOff(backoff.WithInitialInterval(10*time.Millisecond),
		backoff.WithMaxInterval(250*time.Millisecond), backoff.WithMaxElapsedTime(0)), ctx)
	if err := backoff.Retry(func() error { return replaceDir(kept(dir, stream), files) }, again); err != nil {
		return fmt.Errorf("keep stream %s: %w", stream, err)
	}
	return nil
}

// RewindStream puts a stream back as it was at KeepStream, under the same
// creation time: as after an unclean election, or a loss of power of a server
// that does not sync its writes. The server must not run. Other streams are as
// they were; the copy stays usable.
func RewindStream(dir, stream string) error {
	if _, err := os.Stat(kept(dir, stream)); err != nil {
		return fmt.Errorf("rewind stream %s: %w", stream, err)
	}
	if err := replaceDir(filepath.Join(dir, NATSStreams, stream), kept(dir, stream)); err != nil {
		return fmt.Errorf("rewind stream %s: %w", stream, err)
	}
	return nil
}

func kept(dir, stream string) string { return filepath.Join(dir, "kept", stream) }

func replaceDir(to, from string) error {
	if err := os.RemoveAll(to); err != nil {
		return err
	}
	return os.CopyFS(to, os.DirFS(from))
}
