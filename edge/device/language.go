package device

import (
	"errors"
	"time"
)

// Language is what a label printer understands.
type Language string

// The languages.
const (
	ZPL    Language = "zpl"    // Zebra and compatible
	TSPL   Language = "tspl"   // TSC, Gprinter and compatible
	ESCPOS Language = "escpos" // receipt printers
)

// Languages returns all languages.
func Languages() []Language { return []Language{ZPL, TSPL, ESCPOS} }

// report is what a printer says of itself.
type report struct {
	state   State
	left    int  // ZPL: formats in its buffer and labels of a batch that are not printed yet
	full    bool // its buffer takes no more
	partial bool // ZPL: it has the beginning of a format
	busy    bool // TSPL: it prints
	reached bool // ESC/POS: it has come to the questions behind the job, twice
}

// verdict is what follows from reports about a job that was sent.
type verdict int

const (
	pending verdict = iota
	printed
	idle      // nothing is wrong and nothing proves that it was printed: for a while that may still come
	forgotten // it can not be known any more
)

// Why nobody knows what became of a job whose bytes were all sent.
var (
	ErrForgotten = errors.New("printer was silent and has forgotten the label or printed it")
	ErrNoProof   = errors.New("printer took the label and never said that it printed it")
	ErrFault     = errors.New("printer had a fault while it printed the label")
)

// tongue speaks a language on one connection. The bytes between question and report are all that was heard
// meanwhile; a language decides what of it is an answer.
type tongue interface {
	// question asks for the state. detail asks also what only a fault makes interesting. What was heard
	// before counts no more.
	question(detail bool) []byte
	hear([]byte)
	// report returns what was said since the question: ok when the state is among it, whole when nothing more is to come.
	report() (r report, ok, whole bool)
	// wrap returns what is sent for a job, and begins to judge that job.
	wrap(job []byte) []byte
	// judge takes a report about the job that was sent, and says why it is forgotten.
	judge(report) (verdict, error)
	// over ends the judging of a job.
	over()
	// mend returns what ends a job of that many bytes that was cut somewhere, so that what follows is not
	// taken for a part of it. It prints nothing that was not wholly sent before.
	mend(torn int) []byte
	// cancel drops a format of which the printer says that it came in part.
	cancel() []byte
}

func newTongue(l Language) tongue {
	switch l {
	case TSPL:
		return &tsplTongue{}
	case ESCPOS:
		return &escposTongue{}
	}
	return &zplTongue{}
}

// silent tells whether a report says nothing.
func (r report) silent() bool { return r.state == Silent || r.state == Nonsense }

// proofLimit is how long a printer may say that all is well, without a proof that it printed a job.
const proofLimit = 20 * time.Second
