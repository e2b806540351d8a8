package identity

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"errors"
	"strings"

	"stockade/internal/vault"
)

// Empty reports whether there is no account yet.
func (s *Service) Empty(ctx context.Context) (bool, error) {
	n := 0
	err := s.store.View(ctx, func(tx *vault.Tx) error { return tx.QueryRow(`SELECT count(*) FROM account`).Scan(&n) })
	return n == 0, err
}

// codeLetters leave out what is easily mistaken for another.
const codeLetters = "23456789ABCDEFGHJKLMNPQRSTUVWXYZ"

// oneTimeCode returns 24 letters, 120 bits, in groups of four.
func oneTimeCode() string {
	b := make([]byte, 24)
	_, _ = rand.Read(b) // never fails, see crypto/rand
	var code strings.Builder
	for i, c := range b {
		if i > 0 && i%4 == 0 {
			code.WriteByte('-')
		}
		code.WriteByte(codeLetters[c%32])
	}
	return code.String()
}

// codeHash takes the code as people type it.
func codeHash(code string) [sha256.Size]byte {
	return sha256.Sum256([]byte(strings.ToUpper(strings.NewReplacer("-", "", " ", "").Replace(code))))
}

// FirstCode makes the one-time code with which the first account is made. It
// is good until it is used or the program ends, and replaces an earlier one. With an account there is none: "".
func (s *Service) FirstCode(ctx context.Context) (string, error) {
	empty, err := s.Empty(ctx)
	if err != nil || !empty {
		return "", err
	}
	code := oneTimeCode()
	s.mu.Lock()
	defer s.mu.Unlock()
	s.code = codeHash(code)
	return code, nil
}

// Begin makes the first account with the one-time code and signs it in.
func (s *Service) Begin(ctx context.Context, code, name, password string, from From) (Session, error) {
	who, counted := Person{Account: name, Address: from.Address}, subjects("", from.Address)
	if err := s.attempt(ctx, counted); err != nil {
		return Session{}, err
	}
	s.mu.Lock()
	given := codeHash(code)
	right := s.code != [sha256.Size]byte{} && subtle.ConstantTimeCompare(given[:], s.code[:]) == 1
	s.mu.Unlock()
	if !right {
		return Session{}, errors.Join(s.refused(ctx, "signin.first", fold(name), from), ErrCode)
	}
	if err := s.takeBack(ctx, counted); err != nil {
		return Session{}, err
	}
	name = strings.TrimSpace(name)
	if err := checkName(name); err != nil {
		return Session{}, err
	}
	if err := s.rules.check(password, s.contextWords(name), s.judge); err != nil {
		return Session{}, err
	}
	var phc string
	if err := s.hashing.do(ctx, func() { phc = hashPassword(password, present) }); err != nil {
		return Session{}, err
	}
	var session Session
	err := s.store.Update(ctx, func(tx *vault.Tx) (err error) {
		n := 0
		if err := tx.QueryRow(`SELECT count(*) FROM account`).Scan(&n); err != nil {
			return err
		}
		if n > 0 {
			return ErrNotEmpty
		}
		key := fold(name)
		if err := s.insert(tx, key, name, "", phc, false); err != nil {
			return err
		}
		if err := grant(tx, key, s.first, s.firstAt); err != nil {
			return err
		}
		if err := s.note(tx, "account.first", key, "ok", who, nil); err != nil {
			return err
		}
		session, err = s.begin(tx, key, name, KindPassword, 0, from)
		return err
	})
	if err == nil {
		s.mu.Lock()
		s.code = [sha256.Size]byte{}
		s.mu.Unlock()
	}
	return session, err
}
