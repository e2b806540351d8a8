package main

import (
	"bytes"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/pelletier/go-toml/v2"

	"stockade/edge/device"
	"stockade/edge/station"
	"stockade/internal/identity"
	"stockade/internal/serialport"
)

// config is the file given by --config. Folders in it may be relative to the file's own.
type config struct {
	// DataDir holds everything that the node keeps, encrypted.
	DataDir string `toml:"data_dir"`
	// KeyFile holds the key of the store; it must lie outside DataDir. Made at the first start.
	KeyFile string `toml:"key_file"`
	// Listen is host:port of the pages; default :8443. Port 0 takes a free one.
	Listen string `toml:"listen"`
	// Names are the DNS names and addresses by which browsers reach the node; default: localhost.
	Names []string `toml:"names"`
	// Lang is the language of messages: "zh" (default) or "en".
	Lang string `toml:"lang"`
	// Zone is the warehouse's time zone; default Asia/Shanghai.
	Zone string `toml:"zone"`
	// Passwords chooses the rules for passwords: "asvs" (default: length, no forced change) or "dengbao" (等级保护: kinds of characters, history, change every 90 days).
	Passwords string `toml:"password_rules"`
	// FactorRoles are the roles whose people have to use a second factor.
	FactorRoles []string `toml:"second_factor_roles"`
	// PasskeyRoles are the roles whose people have to use a passkey and nothing else: no code is taken of them, under no name.
	PasskeyRoles []string `toml:"passkey_roles"`
	// PasskeyDomain is the domain of passkeys (the RP ID): the company domain under which hub and nodes have their names. Without it there are none; changing it voids those
	// that were enrolled.
	PasskeyDomain string `toml:"passkey_domain"`
	// SessionIdle is after how long an unused sign-in ends, 1m to 1h, default 15m; SessionMax after how long every one, 15m to 24h, default 12h.
	SessionIdle duration `toml:"session_idle"`
	SessionMax  duration `toml:"session_max"`
	// OfflineLimit is how long the node may be without word of the hub before it refuses privileged acts, 1h to 2160h; default 336h (14 days).
	OfflineLimit duration `toml:"offline_limit"`
	// Broker takes the place of the broker that the hub named at enrolment: mqtts://host:port.
	Broker string `toml:"broker"`
	// LabelFont is a font in the label printers that has Chinese, such as "E:SIMSUN.TTF".
	LabelFont string `toml:"label_font"`
	// Typeface is a font file of this machine that draws Chinese on labels as pictures; default: that of
	// Debian's fonts-noto-cjk, when it is installed.
	Typeface string `toml:"typeface"`

	// ReprintManagerFrom is from the how manieth reprint of a person on a day on the branch manager has to agree too; default 5.
	ReprintManagerFrom int64 `toml:"reprint_manager_from"`

	Devices  []deviceConfig  `toml:"devices"`
	Stations []stationConfig `toml:"stations"`
}

type deviceConfig struct {
	// Name is what people call it.
	Name string `toml:"name"`
	// Kind is "scanner" or "printer".
	Kind string `toml:"kind"`
	// Path is a stable name of the port, such as one under /dev/serial/by-id.
	Path string `toml:"path"`
	// Profile tells how the scanner was set up: "codeid=zebra", "gs=|", "frame=ssi", "beep=honeywell".
	Profile string `toml:"profile"`
	// Driver is the library that opens the port: "bugst" (default) or "tarm".
	Driver string `toml:"driver"`
	// Baud is the speed; default 9600.
	Baud int `toml:"baud"`
	// DataBits are 8 (default) or 7, Parity is "none" (default), "odd" or "even", StopBits are 1 (default) or 2.
	DataBits int    `toml:"data_bits"`
	Parity   string `toml:"parity"`
	StopBits int    `toml:"stop_bits"`
	// Flow is how one side makes the other wait: "none" (default), "xonxoff" or "rtscts".
	Flow string `toml:"flow"`
	// IdleGap is the silence that ends a scan without terminator; default "50ms".
	IdleGap duration `toml:"idle_gap"`

	printerConfig
}

type stationConfig struct {
	// Name is the station's id in addresses: letters, digits and hyphens.
	Name string `toml:"name"`
	// Label is what people call it; default: the name.
	Label string `toml:"label"`
	// Scanner and Printer are names of devices; a station without printer prints no labels.
	Scanner string `toml:"scanner"`
	Printer string `toml:"printer"`
	// Receiving is the bin that goods receipts go to; default "RECV".
	Receiving string `toml:"receiving"`
	// Mode is what a new station does; default "receive".
	Mode string `toml:"mode"`
	// Repeat is the window in which the same code again is not booked; default "700ms", "0s" books all.
	Repeat *duration `toml:"repeat"`
	// WedgeProfile tells how a scanner that types on the station's page was set up: "codeid=zebra", "gs=|" as for
	// serial scanners, "keys=us" to read keys by their place on a US keyboard, "end=silence" if it sends no Enter.
	WedgeProfile string `toml:"wedge_profile"`
	// Open lets the station's page work without a sign-in.
	Open bool `toml:"open"`
	// Badge shows the station's page without a sign-in, but nothing is booked until somebody has scanned their badge and entered the PIN, or signed in.
	Badge bool `toml:"badge"`
	// BadgeIdle is after how long without a scan the badge is asked for again, 1m to 12h; default 10m.
	BadgeIdle duration `toml:"badge_idle"`
}

// duration is read as "700ms".
type duration time.Duration

func (d *duration) UnmarshalText(b []byte) error {
	v, err := time.ParseDuration(string(b))
	*d = duration(v)
	return err
}

const (
	storeFile     = "node.db"
	defaultRepeat = 700 * time.Millisecond
)

func loadConfig(path string) (config, error) {
	b, err := os.ReadFile(path) // #nosec G304 -- named by the operator
	if err != nil {
		return config{}, fmt.Errorf("read configuration: %w", err)
	}
	c := config{Lang: "zh", Zone: "Asia/Shanghai", Names: []string{"localhost"}, Listen: ":8443"}
	dec := toml.NewDecoder(bytes.NewReader(b))
	dec.DisallowUnknownFields()
	if err := dec.Decode(&c); err != nil {
		var strict *toml.StrictMissingError
		if errors.As(err, &strict) {
			return config{}, fmt.Errorf("read configuration %s: unknown setting:\n%s", path, strict.String())
		}
		return config{}, fmt.Errorf("read configuration %s: %w", path, err)
	}
	for _, p := range []*string{&c.DataDir, &c.KeyFile, &c.Typeface} {
		if *p != "" && !filepath.IsAbs(*p) {
			*p = filepath.Join(filepath.Dir(path), *p)
		}
	}
	if err := c.check(); err != nil {
		return config{}, fmt.Errorf("read configuration %s: %w", path, err)
	}
	return c, nil
}

func (c config) check() error {
	if c.DataDir == "" || c.KeyFile == "" {
		return errors.New("data_dir and key_file are needed")
	}
	if c.Lang != "zh" && c.Lang != "en" {
		return fmt.Errorf("lang %q: want zh or en", c.Lang)
	}
	if _, err := time.LoadLocation(c.Zone); err != nil {
		return fmt.Errorf("zone: %w", err)
	}
	if _, err := identity.RulesNamed(c.Passwords); err != nil {
		return fmt.Errorf("password_rules: %w", err)
	}
	if err := identity.CheckPasskeyDomain(c.PasskeyDomain); err != nil {
		return fmt.Errorf("passkey_domain: %w", err)
	}
	if len(c.PasskeyRoles) > 0 && c.PasskeyDomain == "" {
		return errors.New("passkey_roles: passkeys work under passkey_domain alone; set it too, or nobody of these roles could sign in")
	}
	if err := identity.CheckLimits(time.Duration(c.SessionIdle), time.Duration(c.SessionMax)); err != nil {
		return fmt.Errorf("session_idle, session_max: %w", err)
	}
	if l := time.Duration(c.OfflineLimit); l != 0 && (l < time.Hour || l > 90*24*time.Hour) {
		return fmt.Errorf("offline_limit %v: want 1h to 2160h (90 days)", l)
	}
	if _, _, err := net.SplitHostPort(c.Listen); err != nil {
		return fmt.Errorf("listen: %w", err)
	}
	kinds := map[string]string{}
	for _, d := range c.Devices {
		if d.Name == "" || d.Path == "" || kinds[d.Name] != "" || (d.Kind != string(device.KindScanner) && d.Kind != string(device.KindPrinter)) {
			return fmt.Errorf("device %q: a name of its own, a path and the kind scanner or printer are needed", d.Name)
		}
		kinds[d.Name] = d.Kind
		if err := d.check(); err != nil {
			return fmt.Errorf("device %s: %w", d.Name, err)
		}
	}
	seen := map[string]bool{}
	for _, s := range c.Stations {
		switch {
		case s.Name == "" || seen[s.Name]:
			return fmt.Errorf("station %q: a name of its own is needed", s.Name)
		case s.Scanner != "" && kinds[s.Scanner] != string(device.KindScanner):
			return fmt.Errorf("station %s: no scanner %q among the devices", s.Name, s.Scanner)
		case s.Printer != "" && kinds[s.Printer] != string(device.KindPrinter):
			return fmt.Errorf("station %s: no printer %q among the devices", s.Name, s.Printer)
		case s.Mode != "" && !station.Known(station.Mode(s.Mode)):
			return fmt.Errorf("station %s: mode %q is unknown", s.Name, s.Mode)
		}
		if s.Badge && s.Open {
			return fmt.Errorf("station %s: with open = true it works without a badge: leave out open or badge", s.Name)
		}
		if idle := time.Duration(s.BadgeIdle); idle != 0 && (idle < station.LeastBadgeIdle || idle > station.MostBadgeIdle) {
			return fmt.Errorf("station %s: badge_idle %v: want %v to %v", s.Name, idle, station.LeastBadgeIdle, station.MostBadgeIdle)
		}
		if err := checkWedge(s.WedgeProfile); err != nil {
			return fmt.Errorf("station %s: %w", s.Name, err)
		}
		seen[s.Name] = true
	}
	return nil
}

// line returns the settings of the device's port.
func (d deviceConfig) line() serialport.Line {
	return serialport.Line{Driver: serialport.Driver(d.Driver), Baud: d.Baud, DataBits: d.DataBits, Parity: serialport.Parity(d.Parity), StopBits: d.StopBits, Flow: serialport.Flow(d.Flow)}
}

// longestGap is more than any scanner needs: who waits longer for the end of a scan has forgotten the unit.
const longestGap = 5 * time.Second

func (d deviceConfig) check() error {
	if _, err := d.line().Checked(); err != nil {
		return err
	}
	if gap := time.Duration(d.IdleGap); gap < 0 || gap > longestGap {
		return fmt.Errorf("idle_gap %v: want a silence such as \"50ms\", at most %v", gap, longestGap)
	}
	if err := d.printerConfig.check(d.Kind, d.Flow); err != nil || d.Kind == string(device.KindPrinter) {
		return err
	}
	if strings.Contains(d.Profile, "frame=ssi") && d.Flow == string(serialport.XonXoff) {
		return errors.New("flow \"xonxoff\" takes bytes out of SSI packets: use \"none\" or \"rtscts\"")
	}
	return device.CheckProfile(d.Profile)
}

// zone returns the warehouse's time zone; check has made sure that there is one.
func (c config) zone() *time.Location {
	z, err := time.LoadLocation(c.Zone)
	if err != nil {
		return time.UTC
	}
	return z
}
