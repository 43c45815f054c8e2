package link

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"sync"

	"github.com/ringway/ringway/process/message"
	"github.com/ringway/ringway/sys"
)

// maxHandled bounds the messages of a peer that are handled at a time; more are refused with ReasonBusy.
const maxHandled = 32

// Delivery is a message that arrived.
type Delivery struct {
	Message     message.Message
	Descriptors Descriptors
}

// Reply is the answer to a message. The descriptors stay the handler's.
type Reply struct {
	Message     message.Message
	Descriptors []int
	// Sent, if not nil, is called when the answer is in the socket, or could not be put there: for what may only happen once
	// the peer is certain to hear of it.
	Sent func(error)
}

// Handler acts on a message of the peer and answers it; an empty Reply is an Ack. It is called on a goroutine of its own,
// several at a time, and may itself Call. ctx ends with the link. Descriptors that it does not take are closed.
type Handler func(ctx context.Context, d *Delivery) Reply

// Refuse is the answer that refuses for a reason. An err that is a Refusal or NotUnderstood itself is passed on.
func Refuse(reason message.Reason, err error) Reply {
	if r, ok := errors.AsType[*message.Refusal](err); ok {
		return Reply{Message: r}
	}
	return Reply{Message: &message.Refusal{Reason: reason, Text: err.Error()}}
}

// The ends of a link.
var (
	// ErrClosed: this side closed it.
	ErrClosed = errors.New("link is closed")
	// ErrPeerGone: the other side closed it, most likely by ending.
	ErrPeerGone = errors.New("peer is gone")
	// ErrDetached: the link goes on in another program.
	ErrDetached = errors.New("link was detached")
)

// Link is one connection with a peer that has said who it is.
type Link struct {
	peer      *message.Hello
	version   message.Version
	features  message.Features
	log       *slog.Logger
	stream    *stream
	handler   Handler
	ctx       context.Context
	cancel    context.CancelFunc
	ended     chan struct{} // closed when the reader has ended
	lastFrame bool          // the reader's: it reads the rest of a frame, then makes place
	handlers  sync.WaitGroup
	handled   chan struct{} // one place for each that is handled

	writing sync.Mutex // orders frames; guards sent
	sent    message.Seq

	mu        sync.Mutex
	pending   map[message.Seq]chan *Delivery
	err       error // why the link ended
	detaching bool
}

// Peer is what the peer said of itself.
func (l *Link) Peer() *message.Hello { return l.peer }

// Has reports whether both sides have all of these features.
func (l *Link) Has(f message.Features) bool { return l.features&f == f }

// Done is closed when the link has ended.
func (l *Link) Done() <-chan struct{} { return l.ended }

// Context ends when the link ends, a moment before Done.
func (l *Link) Context() context.Context { return l.ctx }

// Err is why the link ended; nil while it has not.
func (l *Link) Err() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.err
}

// end is why the link ended. A reader that ended without a reason made place for another program's.
func (l *Link) end() error {
	if err := l.Err(); err != nil {
		return err
	}
	return ErrDetached
}

// Start begins to read. handler is called for each message that is no answer.
func (l *Link) Start(handler Handler) {
	l.handler = handler
	go l.run()
}

// Close ends the link. It does not wait for handlers.
func (l *Link) Close() { l.fail(ErrClosed) }

// fail ends the link for a reason; the first stays.
func (l *Link) fail(err error) {
	l.mu.Lock()
	if l.err == nil {
		l.err = err
	}
	l.mu.Unlock()
	l.cancel()
	_ = l.stream.conn.Close()
}

// Call sends a message with copies of descriptors and waits for its answer, whose descriptors are the caller's. An answer
// that is a Refusal or NotUnderstood is returned as the error. When ctx ends first, the answer is thrown away when it comes.
func (l *Link) Call(ctx context.Context, m message.Message, fds ...int) (*Delivery, error) {
	answer := make(chan *Delivery, 1)
	seq, err := l.send(m, 0, fds, answer)
	if err != nil {
		return nil, err
	}
	select {
	case d := <-answer:
		return accepted(d)
	case <-l.ended:
		select { // the last thing that the reader did may have been to bring it
		case d := <-answer:
			return accepted(d)
		default:
			return nil, l.end()
		}
	case <-ctx.Done():
		l.mu.Lock()
		delete(l.pending, seq)
		l.mu.Unlock()
		select { // it came in the meantime
		case d := <-answer:
			return accepted(d)
		default:
			return nil, context.Cause(ctx)
		}
	}
}

func accepted(d *Delivery) (*Delivery, error) {
	err, refused := d.Message.(error)
	if !refused {
		return d, nil
	}
	d.Descriptors.Close()
	return nil, err
}

// ErrAnswer says that a peer answered with a message of a wrong type.
var ErrAnswer = errors.New("wrong kind of answer")

// Ask is Call for an answer of one type.
func Ask[T message.Message](ctx context.Context, l *Link, m message.Message, fds ...int) (T, *Descriptors, error) {
	var none T
	d, err := l.Call(ctx, m, fds...)
	if err != nil {
		return none, nil, err
	}
	if t, ok := d.Message.(T); ok {
		return t, &d.Descriptors, nil
	}
	d.Descriptors.Close()
	return none, nil, fmt.Errorf("%w: type %d to type %d", ErrAnswer, d.Message.Type(), m.Type())
}

// Tell is Call for a message that is only acknowledged.
func (l *Link) Tell(ctx context.Context, m message.Message, fds ...int) error {
	_, d, err := Ask[*message.Ack](ctx, l, m, fds...)
	if err == nil {
		d.Close()
	}
	return err
}

// send writes one message. answer, if not nil, gets what answers it; it has room for one.
func (l *Link) send(m message.Message, answers message.Seq, fds []int, answer chan *Delivery) (message.Seq, error) {
	body := message.Body(m)
	if len(body) > message.MaxBody || len(fds) > message.MaxDescriptors {
		return 0, fmt.Errorf("%w: type %d has %d bytes and %d descriptors", message.ErrTooLarge, m.Type(), len(body), len(fds))
	}
	l.writing.Lock()
	defer l.writing.Unlock()
	seq := l.sent + 1
	l.mu.Lock()
	switch {
	case l.err != nil:
		l.mu.Unlock()
		return 0, l.err
	case l.detaching && answer != nil:
		l.mu.Unlock()
		return 0, ErrDetached
	case answer != nil:
		l.pending[seq] = answer
	}
	l.mu.Unlock()
	l.sent = seq
	h := message.Header{Type: m.Type(), Seq: seq, Answers: answers, Length: uint32(len(body)), Descriptors: uint32(len(fds))}
	if err := l.stream.write(h, body, fds); err != nil {
		err = fmt.Errorf("send type %d: %w", m.Type(), err)
		l.fail(err)
		return 0, err
	}
	return seq, nil
}

// run reads until the link ends.
func (l *Link) run() {
	defer close(l.ended)
	for {
		frame, err := l.stream.read()
		switch {
		case err == nil:
			l.take(frame)
		case !isTimeout(err) || l.lastFrame:
			l.fail(reason(err))
			return
		}
		if l.detachable() {
			return
		}
	}
}

func reason(err error) error {
	switch {
	case errors.Is(err, io.EOF), sys.IsReset(err): // it had not read all that it was sent
		return ErrPeerGone
	case errors.Is(err, net.ErrClosed):
		return ErrClosed
	}
	return err
}

// take acts on a frame: an answer goes to who waits for it, anything else to the handler.
func (l *Link) take(f *message.Frame) {
	d := &Delivery{Descriptors: Descriptors{f.Descriptors}}
	var err error
	d.Message, err = message.Parse(f.Type, f.Body, len(f.Descriptors))
	if f.Answers != 0 {
		if err != nil {
			d.Descriptors.Close()
			d.Message = &message.Refusal{Reason: message.ReasonMalformed, Text: "the answer: " + err.Error()}
		}
		l.answer(f.Answers, d)
		return
	}
	if err != nil {
		d.Descriptors.Close()
		l.log.Warn("refused a message", "peer", l.peer.Role.String(), "pid", l.peer.PID, "err", err)
		l.reply(f.Seq, unreadable(f.Type, err))
		return
	}
	select {
	case l.handled <- struct{}{}:
	default:
		d.Descriptors.Close()
		l.reply(f.Seq, Refuse(message.ReasonBusy, fmt.Errorf("%d messages are being handled", maxHandled)))
		return
	}
	l.handlers.Go(func() {
		defer func() { <-l.handled }()
		r := l.handler(l.ctx, d)
		d.Descriptors.Close()
		l.reply(f.Seq, r)
	})
}

func unreadable(t message.Type, err error) Reply {
	if errors.Is(err, message.ErrNotUnderstood) {
		return Reply{Message: &message.NotUnderstood{Unknown: t}}
	}
	return Refuse(message.ReasonMalformed, err)
}

// answer passes on what answers one of our messages. Nobody may wait for it any more.
func (l *Link) answer(seq message.Seq, d *Delivery) {
	l.mu.Lock()
	waiting, ok := l.pending[seq]
	delete(l.pending, seq)
	l.mu.Unlock()
	if !ok {
		d.Descriptors.Close()
		return
	}
	waiting <- d
}

// reply sends an answer. A link that has ended needs none.
func (l *Link) reply(seq message.Seq, r Reply) {
	m := r.Message
	if m == nil {
		m = &message.Ack{}
	}
	_, err := l.send(m, seq, r.Descriptors, nil)
	if r.Sent != nil {
		r.Sent(err)
	}
}
