package identity

import (
	"context"
	"encoding/json"
	"fmt"
	"net/netip"
	"strconv"
	"strings"
	"time"

	"stockade/internal/vault"
)

// SessionInfo is a sign-in as its owner sees it.
type SessionInfo struct {
	ID      string // public name
	Device  string // in words; empty when unknown
	Address string
	Factor  string // what it was completed with: KindPassword, KindTOTP or KindRecovery
	Since   time.Time
	Used    time.Time
	Present bool // the one that asks
}

// Sessions returns the person's own sessions, the one last used first.
func (s *Service) Sessions(ctx context.Context, who Person) (list []SessionInfo, err error) {
	err = s.store.View(ctx, func(tx *vault.Tx) error {
		list = nil
		rows, err := tx.Query(`SELECT public, device, address, factor, made_at, used_at FROM session WHERE account = ?1 ORDER BY used_at DESC, made_at DESC`, fold(who.Account))
		if err != nil {
			return err
		}
		for rows.Next() {
			var i SessionInfo
			var made, used int64
			if err := rows.Scan(&i.ID, &i.Device, &i.Address, &i.Factor, &made, &used); err != nil {
				return err
			}
			if !s.alive(s.now(), made, used) {
				continue
			}
			i.Since, i.Used, i.Present = time.UnixMilli(made), time.UnixMilli(used), i.ID == who.Session
			list = append(list, i)
		}
		return rows.Err()
	})
	return list, err
}

// EndSession ends one of the person's own sessions; of others' there is ErrNothing.
func (s *Service) EndSession(ctx context.Context, who Person, id string) error {
	key := fold(who.Account)
	return s.ending(ctx, func(tx *vault.Tx) error {
		r, err := tx.Exec(`DELETE FROM session WHERE account = ?1 AND public = ?2`, key, id)
		if err != nil {
			return err
		}
		if r.RowsAffected == 0 {
			return ErrNothing
		}
		return s.note(tx, "session.ended", key, "ok", who, map[string]string{"session": id})
	})
}

// EndOthers ends all of the person's own sessions but the present one.
func (s *Service) EndOthers(ctx context.Context, who Person) error {
	key := fold(who.Account)
	return s.ending(ctx, func(tx *vault.Tx) error {
		if err := endSessions(tx, key, who.Session); err != nil {
			return err
		}
		return s.note(tx, "session.ended", key, "ok", who, map[string]string{"session": "others"})
	})
}

// ending runs an act after which sessions have ended or rights have changed.
func (s *Service) ending(ctx context.Context, act func(*vault.Tx) error) error {
	err := s.store.Update(ctx, act)
	if err == nil {
		s.announce()
	}
	return err
}

// Notice is something that a person is told about their account. Kind is the key of its text below "notice.".
type Notice struct {
	ID   int64
	At   time.Time
	Kind string
	Args map[string]string
	Seen bool
}

// Notices returns what the person was told, the newest first; with unseen only what they have not seen.
func (s *Service) Notices(ctx context.Context, who Person, unseen bool) (list []Notice, err error) {
	err = s.store.View(ctx, func(tx *vault.Tx) error {
		list = nil
		rows, err := tx.Query(`SELECT id, at, kind, args, seen_at IS NOT NULL FROM account_notice WHERE account = ?1 AND (?2 = 0 OR seen_at IS NULL) ORDER BY id DESC LIMIT 20`, fold(who.Account), unseen)
		if err != nil {
			return err
		}
		for rows.Next() {
			var n Notice
			var at int64
			var args string
			if err := rows.Scan(&n.ID, &at, &n.Kind, &args, &n.Seen); err != nil {
				return err
			}
			if err := json.Unmarshal([]byte(args), &n.Args); err != nil {
				return fmt.Errorf("notice %d: %w", n.ID, err)
			}
			n.At = time.UnixMilli(at)
			list = append(list, n)
		}
		return rows.Err()
	})
	return list, err
}

// SeeNotices marks notices up to an id as seen.
func (s *Service) SeeNotices(ctx context.Context, who Person, upTo int64) error {
	return s.store.Update(ctx, func(tx *vault.Tx) error {
		_, err := tx.Exec(`UPDATE account_notice SET seen_at = ?3 WHERE account = ?1 AND id <= ?2 AND seen_at IS NULL`, fold(who.Account), upTo, s.now().UnixMilli())
		return err
	})
}

// What is unusual about a sign-in.
const (
	hoursLearnt  = 10                   // sign-ins before an hour can be odd
	forgetHabits = 180 * 24 * time.Hour // what was not seen for so long is new again
	worthTelling = 3                    // failed attempts before a sign-in
)

// watch tells the person of a sign-in with a new kind of device, from a new range of addresses, at an odd hour or after failures, and
// leaves an entry that alerts can be built on. The first sign-in of an account is no news.
func (s *Service) watch(tx *vault.Tx, key string, before int, from From, p Person) error {
	now := s.now()
	if _, err := tx.Exec(`DELETE FROM account_habit WHERE last_at < ?1`, now.Add(-forgetHabits).UnixMilli()); err != nil {
		return err
	}
	total := 0
	if err := tx.QueryRow(`SELECT coalesce(sum(times), 0) FROM account_habit WHERE account = ?1 AND kind = 'hour'`, key).Scan(&total); err != nil {
		return err
	}
	hour := now.In(s.zone).Hour()
	why := []string{}
	unusual := func(what, notice string, args map[string]string) error {
		why = append(why, what)
		return s.tell(tx, key, notice, args)
	}
	for _, h := range []struct{ kind, value string }{{"device", Device(from.Agent)}, {"network", rangeOf(from.Address)}} {
		known := 0
		if err := tx.QueryRow(`SELECT count(*) FROM account_habit WHERE account = ?1 AND kind = ?2 AND value = ?3`, key, h.kind, h.value).Scan(&known); err != nil {
			return err
		}
		if known == 0 && total > 0 {
			if err := unusual(h.kind, "new_"+h.kind, map[string]string{"device": Device(from.Agent), "address": from.Address}); err != nil {
				return err
			}
		}
		if err := s.learn(tx, key, h.kind, h.value); err != nil {
			return err
		}
	}
	around := 0
	if err := tx.QueryRow(`SELECT count(*) FROM account_habit WHERE account = ?1 AND kind = 'hour' AND value IN (?2, ?3, ?4)`, key, strconv.Itoa((hour+23)%24), strconv.Itoa(hour), strconv.Itoa((hour+1)%24)).Scan(&around); err != nil {
		return err
	}
	if around == 0 && total >= hoursLearnt {
		if err := unusual("hour", "odd_hour", map[string]string{"hour": now.In(s.zone).Format("15:04"), "address": from.Address}); err != nil {
			return err
		}
	}
	if err := s.learn(tx, key, "hour", strconv.Itoa(hour)); err != nil {
		return err
	}
	if before >= worthTelling {
		if err := unusual("failures", "after_failures", map[string]string{"count": strconv.Itoa(before)}); err != nil {
			return err
		}
	}
	var chosen int64
	if err := tx.QueryRow(`SELECT password_at FROM account WHERE folded = ?1`, key).Scan(&chosen); err != nil {
		return err
	}
	if told, _ := s.rules.overdue(time.UnixMilli(chosen), now); told {
		if _, err := tx.Exec(`DELETE FROM account_notice WHERE account = ?1 AND kind = 'password_overdue'`, key); err != nil { // said once, not at every sign-in since
			return err
		}
		if err := s.tell(tx, key, "password_overdue", map[string]string{"until": time.UnixMilli(chosen).Add(s.rules.Change + s.rules.Grace).In(s.zone).Format(time.DateOnly)}); err != nil {
			return err
		}
	}
	if len(why) == 0 {
		return nil
	}
	return s.note(tx, "signin.unusual", key, "ok", p, map[string]string{"why": strings.Join(why, ",")})
}

func (s *Service) learn(tx *vault.Tx, key, kind, value string) error {
	_, err := tx.Exec(`INSERT INTO account_habit (account, kind, value, times, last_at) VALUES (?1, ?2, ?3, 1, ?4) ON CONFLICT (account, kind, value) DO UPDATE SET times = times + 1, last_at = excluded.last_at`,
		key, kind, value, s.now().UnixMilli())
	return err
}

// rangeOf returns the range of addresses within which people move without being somewhere else: a /24, or the /48 of an IPv6 address.
func rangeOf(address string) string {
	a, err := netip.ParseAddr(address)
	if err != nil {
		return address
	}
	bits := 48
	if a = a.Unmap(); a.Is4() {
		bits = 24
	}
	p, err := a.Prefix(bits)
	if err != nil {
		return address
	}
	return p.String()
}

// Device says in words what a browser calls itself: browser and system by their brand names, empty for what is not known. Nothing of
// what it calls itself is kept but these words.
func Device(agent string) string {
	first := func(pairs ...string) string {
		for i := 0; i+1 < len(pairs); i += 2 {
			if strings.Contains(agent, pairs[i]) {
				return pairs[i+1]
			}
		}
		return ""
	}
	// Browsers also name those that they want to be taken for, so the order matters.
	browser := first("MicroMessenger/", "WeChat", "DingTalk", "DingTalk", "HuaweiBrowser/", "Huawei", "MiuiBrowser/", "Xiaomi", "QQBrowser/", "QQ", "UCBrowser/", "UC",
		"Edg", "Edge", "OPR/", "Opera", "SamsungBrowser/", "Samsung", "Firefox/", "Firefox", "HeadlessChrome/", "Chrome", "Chrome/", "Chrome", "Safari/", "Safari", "curl/", "curl", "Go-http-client/", "Go")
	system := first("Windows", "Windows", "Android", "Android", "HarmonyOS", "HarmonyOS", "OpenHarmony", "HarmonyOS", "iPhone", "iPhone", "iPad", "iPad", "Mac OS X", "macOS", "CrOS", "ChromeOS", "Linux", "Linux")
	if browser != "" && system != "" {
		return browser + " · " + system
	}
	return browser + system
}
