// Package header holds the fields of one HTTP message as spans over borrowed bytes, in the order they came.
//
// It is neutral between HTTP/1 and HTTP/2: a codec fills a [Fields] with spans into its receive buffer, filters read and
// change it, and the codec of the other side writes it out. Nothing is copied on the way in; a field that is set or added
// here goes to a byte store of its own, so the source is never written to. A Fields is reused from message to message and
// allocates nothing once it has grown to the size of the traffic.
//
// Start reading at [Fields]; [Lookup] turns a name into the [ID] by which the well-known fields are found fast. [TrailerRule] says which
// fields may stand behind a body.
//
// Everything from the protocol codecs to the filters may import this package. It imports the standard library only, and a
// Fields belongs to one task at a time: nothing in it is locked.
package header
