package identity

import "stockade/internal/vault"

// Tell leaves a notice for a person in an open transaction; kind is the key of its text below "notice.". An argument "link" is the address
// of the page where the person can do something about it.
func (s *Service) Tell(tx *vault.Tx, name, kind string, args map[string]string) error {
	return s.tell(tx, fold(name), kind, args)
}
