package config

// Secret is a text that is told to nobody: it hides itself from logs, from JSON and from Diff. A conversion to string gives it.
type Secret string

// String hides the text.
func (s Secret) String() string {
	if s == "" {
		return ""
	}
	return Hidden
}

// GoString hides the text from %#v.
func (s Secret) GoString() string { return s.String() }

// MarshalText hides the text.
func (s Secret) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// UnmarshalText takes any text.
func (s *Secret) UnmarshalText(text []byte) error {
	*s = Secret(text)
	return nil
}

// Expects says what is expected, for messages and the schema.
func (s *Secret) Expects() string { return `a text such as "correct horse battery staple"` }

func (s *Secret) numbers() bool { return false }
