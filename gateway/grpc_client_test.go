package gateway

import (
	"context"
	"fmt"
	"testing"
	"time"

	"golang.org/x/net/http2"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/status"
)

// grpcBytes is a codec of messages that are bytes.
type grpcBytes struct{}

func (grpcBytes) Marshal(v any) ([]byte, error) { return v.([]byte), nil }
func (grpcBytes) Unmarshal(data []byte, v any) error {
	*v.(*[]byte) = append([]byte(nil), data...)
	return nil
}
func (grpcBytes) Name() string { return "bytes" }

// grpcCall begins a call of both directions, which sends one message. It lasts for the time given.
func (r *rig) grpcCall(lasts time.Duration) grpc.ClientStream {
	r.Helper()
	cc, err := grpc.NewClient("passthrough:///"+r.addr, grpc.WithTransportCredentials(insecure.NewCredentials()), grpc.WithDefaultCallOptions(grpc.ForceCodec(grpcBytes{})))
	if err != nil {
		r.Fatal(err)
	}
	r.Cleanup(func() { _ = cc.Close() })
	ctx, cancel := context.WithTimeout(context.Background(), lasts)
	r.Cleanup(cancel)
	s, err := cc.NewStream(ctx, &grpc.StreamDesc{ServerStreams: true, ClientStreams: true}, "/a.B/C")
	if err == nil {
		err = s.SendMsg([]byte("hello"))
	}
	if err != nil {
		r.Fatal(err)
	}
	return s
}

// grpcMessage is a message on the wire.
func grpcMessage(text string) []byte { return append([]byte{0, 0, 0, 0, byte(len(text))}, text...) }

// begun reads up to the head of the next request.
func (k *framed) begun() (id uint32) {
	for {
		switch f := k.next().(type) {
		case nil:
			return 0
		case *http2.MetaHeadersFrame:
			return f.StreamID
		}
	}
}

// TestGRPCStatuses: a client of gRPC learns the same of a call that breaks as it would without the gateway, whether it breaks before, behind or
// amid a message. A connection that ends amid a message is the exception: there is no code for that.
func TestGRPCStatuses(t *testing.T) {
	reset := func(code http2.ErrCode) func(*framed, uint32) {
		return func(k *framed, id uint32) { _ = k.WriteRSTStream(id, code) }
	}
	hangUp := func(k *framed, _ uint32) { _ = k.c.Close() }
	silent := func(*framed, uint32) {}
	half := grpcMessage("a message")[:9]
	for _, test := range []struct {
		name  string
		sent  []byte // behind the head; nil: no head
		then  func(*framed, uint32)
		lasts time.Duration
		want  codes.Code
	}{
		{"cancelled", nil, reset(http2.ErrCodeCancel), patience, codes.Canceled},
		{"failed", nil, reset(http2.ErrCodeInternal), patience, codes.Internal},
		{"too much", nil, reset(http2.ErrCodeEnhanceYourCalm), patience, codes.ResourceExhausted},
		{"refused", nil, reset(http2.ErrCodeRefusedStream), patience, codes.Unavailable},
		{"gone", nil, hangUp, patience, codes.Unavailable},
		{"late", nil, silent, 300 * time.Millisecond, codes.DeadlineExceeded},
		{"cancelled behind a message", grpcMessage("one"), reset(http2.ErrCodeCancel), patience, codes.Canceled},
		{"gone behind a message", grpcMessage("one"), hangUp, patience, codes.Unavailable},
		{"late behind a message", grpcMessage("one"), silent, 300 * time.Millisecond, codes.DeadlineExceeded},
		{"cancelled amid a message", half, reset(http2.ErrCodeCancel), patience, codes.Canceled},
		{"too much amid a message", half, reset(http2.ErrCodeEnhanceYourCalm), patience, codes.ResourceExhausted},
		{"refused amid a message", half, reset(http2.ErrCodeRefusedStream), patience, codes.Internal},
		{"gone amid a message", half, hangUp, patience, codes.Internal},
		{"late amid a message", half, silent, 300 * time.Millisecond, codes.DeadlineExceeded},
		{"cancelled amid a prefix", half[:3], reset(http2.ErrCodeCancel), patience, codes.Canceled},
	} {
		t.Run(test.name, func(t *testing.T) {
			eachDriver(t, func(t *testing.T, d DriverName) {
				r := start(t, d, with{cluster: overH2}, frames(t, func(k *framed, _ int) {
					for id := k.begun(); id != 0; id = k.begun() {
						if test.sent != nil {
							k.head(id, false, ":status", "200", "content-type", "application/grpc")
							_ = k.WriteData(id, false, test.sent)
						}
						test.then(k, id)
					}
				}))
				s := r.grpcCall(test.lasts)
				var got []byte
				err := s.RecvMsg(&got)
				if err == nil {
					err = s.RecvMsg(&got)
				}
				if status.Code(err) != test.want {
					t.Errorf("%v, want %v", err, test.want)
				}
			})
		})
	}
}

// grpcEvery is how often one side says something in TestGRPCSilence, whose timeouts are twenty times that.
const grpcEvery = 100 * time.Millisecond

// TestGRPCSilence: one side of a call may be silent for longer than any timeout while the other speaks.
func TestGRPCSilence(t *testing.T) {
	const read = ", timeouts: {read: 2s}"
	shape := with{cluster: overH2 + read, listener: read[2:]}
	says := 4 * int(time.Second/grpcEvery)
	eachDriver(t, func(t *testing.T, d DriverName) {
		t.Run("client", func(t *testing.T) {
			r := start(t, d, shape, frames(t, func(k *framed, _ int) {
				id := k.begun()
				k.head(id, false, ":status", "200", "content-type", "application/grpc")
				for range says {
					_ = k.WriteData(id, false, grpcMessage("one"))
					time.Sleep(grpcEvery)
				}
				k.head(id, true, "grpc-status", "0")
				for k.next() != nil {
				}
			}))
			s := r.grpcCall(patience)
			n := 0
			var got []byte
			var err error
			for err = s.RecvMsg(&got); err == nil; err = s.RecvMsg(&got) {
				n++
			}
			if err.Error() != "EOF" || n != says {
				t.Errorf("%d messages, then %v", n, err)
			}
		})
		t.Run("server", func(t *testing.T) {
			r := start(t, d, shape, frames(t, func(k *framed, _ int) {
				id := k.begun()
				k.head(id, false, ":status", "200", "content-type", "application/grpc")
				for {
					switch f := k.next().(type) {
					case nil:
						return
					case *http2.DataFrame:
						if f.StreamEnded() {
							k.head(id, true, "grpc-status", "0")
						}
					}
				}
			}))
			s := r.grpcCall(patience)
			for range says {
				if err := s.SendMsg([]byte("one")); err != nil {
					break // RecvMsg says why
				}
				time.Sleep(grpcEvery)
			}
			_ = s.CloseSend()
			var got []byte
			if err := s.RecvMsg(&got); err == nil || err.Error() != "EOF" {
				t.Error(err)
			}
		})
	})
}

// TestGRPCSilenceOfBoth: whoever's time is over first, the call ends, and the client gets a status.
func TestGRPCSilenceOfBoth(t *testing.T) {
	const read = "timeouts: {read: 1s}"
	for name, shape := range map[string]with{"the client is late": {cluster: overH2, listener: read}, "the server is late": {cluster: overH2 + ", " + read}} {
		t.Run(name, func(t *testing.T) {
			eachDriver(t, func(t *testing.T, d DriverName) {
				r := start(t, d, shape, frames(t, func(k *framed, _ int) {
					id := k.begun()
					k.head(id, false, ":status", "200", "content-type", "application/grpc")
					_ = k.WriteData(id, false, grpcMessage("one"))
					for k.next() != nil {
					}
				}))
				s := r.grpcCall(patience)
				var got []byte
				err := s.RecvMsg(&got)
				if err == nil {
					err = s.RecvMsg(&got)
				}
				if c := status.Code(err); c != codes.Unavailable && c != codes.Unknown {
					t.Error(err)
				}
			})
		})
	}
}

// TestGRPCDeadlineOfClosedWindow: the time that a client gives is over also where it takes nothing.
func TestGRPCDeadlineOfClosedWindow(t *testing.T) {
	eachDriver(t, func(t *testing.T, d DriverName) {
		r := start(t, d, with{cluster: overH2}, frames(t, func(k *framed, _ int) {
			id := k.begun()
			k.head(id, false, ":status", "200", "content-type", "application/grpc")
			_ = k.WriteData(id, false, grpcMessage("a message that finds no room"))
			for k.next() != nil {
			}
		}))
		k := r.dialFramed()
		_ = k.WriteSettings(http2.Setting{ID: http2.SettingInitialWindowSize, Val: 0})
		k.head(1, false, ":method", "POST", ":scheme", "http", ":authority", "x", ":path", "/a.B/C", "content-type", "application/grpc", "te", "trailers", "grpc-timeout", "200m")
		said := ""
		for f := k.next(); f != nil; f = k.next() {
			said += fmt.Sprintf("%v ", f.Header().Type)
			if f, ok := f.(*http2.RSTStreamFrame); ok {
				if f.ErrCode != http2.ErrCodeCancel {
					t.Errorf("reset by %v", f.ErrCode)
				}
				_ = k.c.Close()
				return
			}
		}
		t.Errorf("no reset, but %s", said)
	})
}
