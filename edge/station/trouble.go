package station

// Troubled notes that a scan from the station's scanner waits because it could not be stored, and why; nil when none
// waits any more. It reports whether that is news, and then lets everybody who listens look.
func (s *Station) Troubled(why error) bool {
	s.subMu.Lock()
	news := (s.trouble == nil) != (why == nil) || why != nil && s.trouble.Error() != why.Error()
	s.trouble = why
	s.subMu.Unlock()
	if news {
		s.publish(Feedback{})
	}
	return news
}

// Trouble returns why a scan waits to be stored, nil when none does.
func (s *Station) Trouble() error {
	s.subMu.Lock()
	defer s.subMu.Unlock()
	return s.trouble
}

// Look lets everybody who listens look at what belongs to no scan: a device in trouble, labels that wait.
func (s *Station) Look() { s.publish(Feedback{}) }
