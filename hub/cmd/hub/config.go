package main

import (
	"bytes"
	"errors"
	"fmt"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/pelletier/go-toml/v2"

	"stockade/hub/attachments"
	"stockade/hub/exports"
	"stockade/hub/unmask"
	"stockade/internal/identity"
	"stockade/protocol/barcode"
	"stockade/protocol/topic"
)

// config is the file given by --config. Folders in it may be relative to the file's own.
type config struct {
	// Org is the organisation's id: [a-z0-9-]. It can not be changed once the hub exists.
	Org string `toml:"org"`
	// DataDir holds everything that the hub keeps, encrypted.
	DataDir string `toml:"data_dir"`
	// KeyFile holds the key of the store; it must lie outside DataDir. Made by hub init.
	KeyFile string `toml:"key_file"`
	// Lang is the language of messages: "zh" (default) or "en".
	Lang string `toml:"lang"`
	// Zone is the headquarters' time zone, for business days; default Asia/Shanghai.
	Zone string `toml:"zone"`
	// Names are the DNS names and addresses by which nodes and browsers reach the hub; the
	// first is told to nodes. Default: localhost.
	Names []string `toml:"names"`
	// GS1Prefix is the company's GS1 prefix (4 to 12 digits), under which pallets get their SSCCs; empty for none.
	GS1Prefix string `toml:"gs1_prefix"`

	// Typeface is a font file that draws Chinese in previews of labels; default: that of Debian's fonts-noto-cjk.
	Typeface string `toml:"typeface"`
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

	// Currency is that of prices and costs, as ISO 4217 writes it; default CNY. It says what amounts are in and converts nothing.
	Currency string `toml:"currency"`
	// Watermark lays person, time and host lightly over every page, on the screen and in print; default true.
	Watermark bool `toml:"watermark"`
	// Exports says how many rows may leave the house.
	Exports exportConfig `toml:"exports"`
	// Attachments says how many files people may add, and how large.
	Attachments attachmentConfig `toml:"attachments"`

	// Unmaskings is how many masked values a person may look at in a day, for a reason each; default 50, at most 1000, 0 for none.
	Unmaskings int64 `toml:"unmaskings_per_day"`

	// OIDC is the company's identity provider, with which people may sign in.
	OIDC oidcConfig `toml:"oidc"`

	// Pages is the HTTPS listener of the pages for people.
	Pages listener `toml:"pages"`
	// Nodes is the HTTPS listener where nodes enrol and renew their certificates.
	Nodes listener `toml:"nodes"`
	// MQTT is the broker: the hub's own, or a foreign one.
	MQTT mqttConfig `toml:"mqtt"`
}

// duration is read as "15m".
type duration time.Duration

func (d *duration) UnmarshalText(b []byte) error {
	v, err := time.ParseDuration(string(b))
	*d = duration(v)
	return err
}

type listener struct {
	// Listen is host:port; port 0 takes a free one. Defaults: pages :8443, nodes :8444.
	Listen string `toml:"listen"`
	// Public is host:port as others see it, when it is not the first of names and the
	// listener's port.
	Public string `toml:"public"`
}

type exportConfig struct {
	// Free is how many rows an export may have without an approval; default 5000, 0 for none.
	Free int64 `toml:"rows_without_approval"`
	// Quota is how many rows a person may export in a day; default 50000, at most 500000.
	Quota int64 `toml:"rows_per_day"`
}

type attachmentConfig struct {
	// MaxSize is how large a file may be; default "20MB", at most "200MB".
	MaxSize byteSize `toml:"max_size"`
	// PerSubject is how many files one item, exception and so on may have; default 200.
	PerSubject int64 `toml:"per_subject"`
	// PerDay is how many files one person may add in a day, default 200; DaySize how large they may be together, default "1GB".
	PerDay  int64    `toml:"per_day"`
	DaySize byteSize `toml:"day_size"`
}

// byteSize is read as "20MB": KB, MB or GB of 1024.
type byteSize int64

func (b *byteSize) UnmarshalText(text []byte) error {
	for i, unit := range []string{"KB", "MB", "GB"} {
		if digits, ok := strings.CutSuffix(string(text), unit); ok {
			n, err := strconv.ParseInt(strings.TrimSpace(digits), 10, 32)
			*b = byteSize(n << (10 * (i + 1)))
			return err
		}
	}
	return fmt.Errorf(`size %q: want a text such as "20MB"`, text)
}

func (c attachmentConfig) check() error {
	if c.MaxSize < 1 || c.MaxSize > attachments.MaxSize || c.PerSubject < 1 || c.PerDay < 1 || c.DaySize < c.MaxSize {
		return fmt.Errorf("attachments: want max_size of 1KB to %dMB, day_size that is not smaller, and per_subject and per_day of 1 or more", attachments.MaxSize>>20)
	}
	return nil
}

type mqttConfig struct {
	// Listen is where the hub's own broker listens; default :8883.
	Listen string `toml:"listen"`
	// Broker names a foreign broker instead: mqtts://host:port. The hub's own is not started then.
	Broker string `toml:"broker"`
	// Public are the brokers that nodes are told, mqtts://host:port; default: the one above.
	Public []string `toml:"public"`
}

// storeFile is the store inside DataDir.
const storeFile = "hub.db"

func loadConfig(path string) (config, error) {
	b, err := os.ReadFile(path) // #nosec G304 -- named by the operator
	if err != nil {
		return config{}, fmt.Errorf("read configuration: %w", err)
	}
	c := config{Lang: "zh", Zone: "Asia/Shanghai", Names: []string{"localhost"}, Watermark: true, Currency: "CNY", Unmaskings: unmask.DefaultQuota,
		Exports:     exportConfig{Free: exports.DefaultLimits.Free, Quota: exports.DefaultLimits.Quota},
		Attachments: attachmentConfig{MaxSize: byteSize(attachments.DefaultLimits.Size), PerSubject: attachments.DefaultLimits.PerSubject, PerDay: attachments.DefaultLimits.PerDay, DaySize: byteSize(attachments.DefaultLimits.BytesADay)},
		Pages:       listener{Listen: ":8443"}, Nodes: listener{Listen: ":8444"}}
	dec := toml.NewDecoder(bytes.NewReader(b))
	dec.DisallowUnknownFields()
	if err := dec.Decode(&c); err != nil {
		var strict *toml.StrictMissingError
		if errors.As(err, &strict) {
			return config{}, fmt.Errorf("read configuration %s: unknown setting:\n%s", path, strict.String())
		}
		return config{}, fmt.Errorf("read configuration %s: %w", path, err)
	}
	if c.MQTT.Broker == "" && c.MQTT.Listen == "" {
		c.MQTT.Listen = ":8883"
	}
	dir := filepath.Dir(path)
	for _, p := range []*string{&c.DataDir, &c.KeyFile, &c.Typeface, &c.OIDC.SecretFile, &c.OIDC.CAFile} {
		if *p != "" && !filepath.IsAbs(*p) {
			*p = filepath.Join(dir, *p)
		}
	}
	if err := c.check(); err != nil {
		return config{}, fmt.Errorf("read configuration %s: %w", path, err)
	}
	return c, nil
}

func (c config) check() error {
	if _, err := topic.ParseOrg(c.Org); err != nil {
		return fmt.Errorf("org: %w", err)
	}
	if c.DataDir == "" || c.KeyFile == "" {
		return errors.New("data_dir and key_file are needed")
	}
	if c.GS1Prefix != "" && !barcode.ValidPrefix(c.GS1Prefix) {
		return fmt.Errorf("gs1_prefix %q: want the 4 to 12 digits that GS1 gave to the company", c.GS1Prefix)
	}
	if len(c.Currency) != 3 || strings.Trim(c.Currency, "ABCDEFGHIJKLMNOPQRSTUVWXYZ") != "" {
		return fmt.Errorf("currency %q: want three capital letters, such as CNY", c.Currency)
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
	if err := c.OIDC.check(); err != nil {
		return fmt.Errorf("oidc: %w", err)
	}
	if err := identity.CheckLimits(time.Duration(c.SessionIdle), time.Duration(c.SessionMax)); err != nil {
		return fmt.Errorf("session_idle, session_max: %w", err)
	}
	if c.Exports.Free < 0 || c.Exports.Quota < 1 || c.Exports.Quota > exports.MaxQuota {
		return fmt.Errorf("exports: want rows_without_approval of 0 or more, and rows_per_day of 1 to %d", exports.MaxQuota)
	}
	if c.Unmaskings < 0 || c.Unmaskings > unmask.MaxQuota {
		return fmt.Errorf("unmaskings_per_day: want 0 to %d", unmask.MaxQuota)
	}
	if err := c.Attachments.check(); err != nil {
		return err
	}
	if len(c.Names) == 0 {
		return errors.New("names: at least one name or address is needed by which nodes reach the hub")
	}
	for name, l := range map[string]string{"pages.listen": c.Pages.Listen, "nodes.listen": c.Nodes.Listen} {
		if _, _, err := net.SplitHostPort(l); err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
	}
	if (c.MQTT.Broker == "") == (c.MQTT.Listen == "") {
		return errors.New("mqtt: set either listen (the hub's own broker) or broker (a foreign one)")
	}
	for _, u := range append([]string{c.MQTT.Broker}, c.MQTT.Public...) {
		if p, err := url.Parse(u); u != "" && (err != nil || p.Scheme != "mqtts" || p.Port() == "") {
			return fmt.Errorf("mqtt: %q: want mqtts://host:port", u)
		}
	}
	return nil
}

// zone returns the headquarters' time zone; check has made sure that there is one.
func (c config) zone() *time.Location {
	z, err := time.LoadLocation(c.Zone)
	if err != nil {
		return time.UTC
	}
	return z
}

// storePath returns the path of the store.
func (c config) storePath() string { return filepath.Join(c.DataDir, storeFile) }

// attachmentsPath returns the folder of the encrypted files that people add.
func (c config) attachmentsPath() string { return filepath.Join(c.DataDir, "attachments") }
