package http2

import (
	"encoding/base64"
	"encoding/binary"
	"errors"
)

// SettingID names a parameter of SETTINGS.
type SettingID uint16

// The parameters of RFC 9113 §6.5.2, RFC 8441 §3 and RFC 9218 §2.1.
const (
	SettingHeaderTableSize       SettingID = 0x1
	SettingEnablePush            SettingID = 0x2
	SettingMaxConcurrentStreams  SettingID = 0x3
	SettingInitialWindowSize     SettingID = 0x4
	SettingMaxFrameSize          SettingID = 0x5
	SettingMaxHeaderListSize     SettingID = 0x6
	SettingEnableConnectProtocol SettingID = 0x8
	SettingNoRFC7540Priorities   SettingID = 0x9
)

const settingLen = 6

// Setting is one parameter of a SETTINGS frame (RFC 9113 §6.5.1).
type Setting struct {
	ID    SettingID
	Value uint32
}

// ParseSetting reads one parameter, of which b must hold all six bytes, and checks its value (RFC 9113 §6.5.2). Parameters
// that are not known here pass: they are to be ignored.
func ParseSetting(b []byte) (Setting, error) {
	s := Setting{SettingID(binary.BigEndian.Uint16(b)), binary.BigEndian.Uint32(b[2:])}
	return s, s.valid()
}

func (s Setting) valid() error {
	switch s.ID {
	case SettingEnablePush, SettingEnableConnectProtocol, SettingNoRFC7540Priorities:
		if s.Value > 1 {
			return ConnectionError{ProtocolError, "a setting is neither 0 nor 1"}
		}
	case SettingInitialWindowSize:
		if s.Value > maxWindow {
			return ConnectionError{FlowControlError, "SETTINGS_INITIAL_WINDOW_SIZE is above the largest window"}
		}
	case SettingMaxFrameSize:
		if s.Value < MinMaxFrameSize || s.Value > MaxMaxFrameSize {
			return ConnectionError{ProtocolError, "SETTINGS_MAX_FRAME_SIZE is out of range"}
		}
	}
	return nil
}

// checkSettingsHeader checks what can be seen before the payload of a SETTINGS frame.
func checkSettingsHeader(h FrameHeader) error {
	if err := streamZero(h, true); err != nil {
		return err
	}
	if h.Length%settingLen != 0 || h.Flags.Has(FlagAck) && h.Length > 0 {
		return sizeError(h.Type)
	}
	return nil
}

// Append appends the parameter as it stands in the payload.
func (s Setting) Append(dst []byte) []byte {
	return binary.BigEndian.AppendUint32(binary.BigEndian.AppendUint16(dst, uint16(s.ID)), s.Value)
}

// AppendSettings appends a SETTINGS frame.
func AppendSettings(dst []byte, settings ...Setting) []byte {
	dst = FrameHeader{Length: uint32(len(settings) * settingLen), Type: FrameSettings}.Append(dst)
	for _, s := range settings {
		dst = s.Append(dst)
	}
	return dst
}

// AppendSettingsAck appends the acknowledgement of a SETTINGS frame.
func AppendSettingsAck(dst []byte) []byte {
	return FrameHeader{Type: FrameSettings, Flags: FlagAck}.Append(dst)
}

// Settings are the values of an endpoint that this package acts on.
type Settings struct {
	HeaderTableSize       uint32
	EnablePush            bool
	MaxConcurrentStreams  uint32
	InitialWindowSize     uint32
	MaxFrameSize          uint32
	MaxHeaderListSize     uint32
	EnableConnectProtocol bool
	NoRFC7540Priorities   bool
}

const unlimited = 1<<32 - 1

// InitialSettings are the values that hold before an endpoint has said otherwise (RFC 9113 §6.5.2).
func InitialSettings() Settings {
	return Settings{HeaderTableSize: 4096, EnablePush: true, MaxConcurrentStreams: unlimited,
		InitialWindowSize: initialWindow, MaxFrameSize: MinMaxFrameSize, MaxHeaderListSize: unlimited}
}

// set takes over a valid parameter.
func (v *Settings) set(s Setting) {
	switch s.ID {
	case SettingHeaderTableSize:
		v.HeaderTableSize = s.Value
	case SettingEnablePush:
		v.EnablePush = s.Value == 1
	case SettingMaxConcurrentStreams:
		v.MaxConcurrentStreams = s.Value
	case SettingInitialWindowSize:
		v.InitialWindowSize = s.Value
	case SettingMaxFrameSize:
		v.MaxFrameSize = s.Value
	case SettingMaxHeaderListSize:
		v.MaxHeaderListSize = s.Value
	case SettingEnableConnectProtocol:
		v.EnableConnectProtocol = s.Value == 1
	case SettingNoRFC7540Priorities:
		v.NoRFC7540Priorities = s.Value == 1
	}
}

// ErrHTTP2Settings says that the value of an HTTP2-Settings field is not the base64url of a SETTINGS payload.
var ErrHTTP2Settings = errors.New("http2: HTTP2-Settings is malformed")

// AppendHTTP2Settings appends the value of HTTP2-Settings (RFC 7540 §3.2.1) with which a client asks for h2c.
func AppendHTTP2Settings(dst []byte, settings ...Setting) []byte {
	var payload []byte
	for _, s := range settings {
		payload = s.Append(payload)
	}
	return base64.RawURLEncoding.AppendEncode(dst, payload)
}

// ParseHTTP2Settings reads the value of HTTP2-Settings. Padding, which the RFC leaves out and some clients send, is taken.
func ParseHTTP2Settings(value []byte) ([]Setting, error) {
	for len(value) > 0 && value[len(value)-1] == '=' {
		value = value[:len(value)-1]
	}
	if len(value) > base64.RawURLEncoding.EncodedLen(maxSettings*settingLen) {
		return nil, ErrHTTP2Settings
	}
	payload, err := base64.RawURLEncoding.AppendDecode(nil, value)
	if err != nil || len(payload)%settingLen != 0 {
		return nil, ErrHTTP2Settings
	}
	var list []Setting
	for ; len(payload) > 0; payload = payload[settingLen:] {
		s, err := ParseSetting(payload)
		if err != nil {
			return nil, err
		}
		list = append(list, s)
	}
	return list, nil
}
