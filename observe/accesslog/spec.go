package accesslog

import "fmt"

// Format is how a line is written.
type Format string

// The formats.
const (
	FormatJSON     Format = "json"     // one JSON object a line
	FormatCombined Format = "combined" // the combined log format of Apache and nginx
)

// Bounds and default of Spec.Buffer.
const (
	DefaultBuffer = 4096
	MinBuffer     = 128
	MaxBuffer     = 1 << 20
)

// Spec is the access log's part of the configuration.
type Spec struct {
	Path   string `yaml:"path,omitempty" doc:"Where to write: a file, stdout or stderr. Empty turns the access log off."`
	Format Format `yaml:"format,omitempty" doc:"How a line is written: json (default) or combined."`
	Buffer int    `yaml:"buffer,omitempty" doc:"Records a loop may have waiting for the writer, counted at 512 bytes each (default 4096). More are dropped and counted."`
}

// SetDefaults fills in what was left out.
func (s *Spec) SetDefaults() {
	if s.Format == "" {
		s.Format = FormatJSON
	}
	if s.Buffer == 0 {
		s.Buffer = DefaultBuffer
	}
}

// Check reports the first value of s that cannot be used. It opens nothing.
func (s *Spec) Check() error {
	switch s.Format {
	case FormatJSON, FormatCombined:
	default:
		return fmt.Errorf("format: %q is neither %q nor %q", s.Format, FormatJSON, FormatCombined)
	}
	if s.Buffer < MinBuffer || s.Buffer > MaxBuffer {
		return fmt.Errorf("buffer: %d is not within %d to %d", s.Buffer, MinBuffer, MaxBuffer)
	}
	return nil
}
