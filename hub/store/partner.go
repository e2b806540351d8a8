package store

import (
	"errors"
	"fmt"
	"time"

	"stockade/internal/vault"
	"stockade/protocol/access"
)

// ErrPartnerChanged is returned when a partner has a newer version than the one that the writer has seen.
var ErrPartnerChanged = errors.New("the partner was changed by somebody else meanwhile")

// Partner is a supplier or customer in one of its versions. Texts are as they were typed, blanks around them taken off.
type Partner struct {
	Code        access.Customer
	Supplier    bool
	Customer    bool
	Name        string // of the company
	NameEN      string
	Contact     string // person
	Phone       string
	Email       string
	Address     string
	TaxNumber   string
	BankName    string
	BankAccount string
	Terms       string // of payment
	Note        string
	Keeper      access.Account // who looks after it; empty for nobody
	Active      bool

	Version int64 // from 1
	By      string
	At      time.Time
	Erased  time.Time // when personal fields were erased on demand; zero for never
}

// AddPartner adds a partner in its first version, folded being its keeper as names are told apart. Without a code it gets the next number: P00001. It
// returns the code, or ErrExists when there is one of that code.
func (tx *Tx) AddPartner(p Partner, folded access.Account, by string) (access.Customer, error) {
	var id int64
	err := tx.tx.QueryRow(`SELECT coalesce(max(id), 0) + 1 FROM partner`).Scan(&id)
	numbered := p.Code == ""
	for n := id; err == nil; n++ {
		if numbered {
			p.Code = access.Customer(fmt.Sprintf("P%05d", n))
		}
		var there int64
		if err = tx.tx.QueryRow(`SELECT count(*) FROM partner WHERE code = ?1`, string(p.Code)).Scan(&there); err != nil || there == 0 {
			break
		}
		if !numbered {
			err = fmt.Errorf("%s: %w", p.Code, ErrExists)
		}
	}
	if err == nil {
		_, err = tx.tx.Exec(`INSERT INTO partner (id, code, keeper, supplier, customer, version) VALUES (?1, ?2, ?3, ?4, ?5, 1)`, id, string(p.Code), string(folded), p.Supplier, p.Customer)
	}
	if err == nil {
		err = tx.addPartnerVersion(id, 1, p, by)
	}
	if err != nil {
		return "", fmt.Errorf("store partner: %w", err)
	}
	return p.Code, nil
}

// PutPartner adds a version. p.Version is the one that it was made of: where there is a newer one nothing is written, and the error is
// ErrPartnerChanged.
func (tx *Tx) PutPartner(p Partner, folded access.Account, by string) error {
	var id int64
	err := tx.tx.QueryRow(`SELECT id FROM partner WHERE code = ?1`, string(p.Code)).Scan(&id)
	if errors.Is(err, vault.ErrNoRows) {
		err = ErrNotFound
	}
	var r vault.Result
	if err == nil {
		r, err = tx.tx.Exec(`UPDATE partner SET keeper = ?3, supplier = ?4, customer = ?5, version = version + 1 WHERE id = ?1 AND version = ?2`, id, p.Version, string(folded), p.Supplier, p.Customer)
	}
	if err == nil && r.RowsAffected == 0 {
		err = ErrPartnerChanged
	}
	if err == nil {
		err = tx.addPartnerVersion(id, p.Version+1, p, by)
	}
	if err != nil {
		return fmt.Errorf("store partner %s: %w", p.Code, err)
	}
	return nil
}

func (tx *Tx) addPartnerVersion(id, version int64, p Partner, by string) error {
	_, err := tx.tx.Exec(`INSERT INTO partner_version (partner, version, name, name_en, contact, phone, email, address, tax_number, bank_name, bank_account, terms, note, keeper, supplier, customer, active, written_by, written_at)
		VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17, ?18, ?19)`,
		id, version, p.Name, p.NameEN, p.Contact, p.Phone, p.Email, p.Address, p.TaxNumber, p.BankName, p.BankAccount, p.Terms, p.Note, string(p.Keeper), p.Supplier, p.Customer, p.Active, by, tx.now)
	return err
}

// ErasePartner empties what is about a person in all versions of a partner, with bank the bank account too, and drops the rows of exports of customers that are
// still kept. That there were versions, and everything else in them, stays.
func (tx *Tx) ErasePartner(code access.Customer, bank bool) error {
	r, err := tx.tx.Exec(`UPDATE partner_version SET contact = '', phone = '', email = '', address = '', note = '', bank_name = CASE WHEN ?3 THEN '' ELSE bank_name END,
		bank_account = CASE WHEN ?3 THEN '' ELSE bank_account END, erased_at = ?2 WHERE partner = (SELECT id FROM partner WHERE code = ?1)`, string(code), tx.now, bank)
	if err == nil && r.RowsAffected == 0 {
		err = ErrNotFound
	}
	if err == nil {
		_, err = tx.tx.Exec(`UPDATE export SET state = 'ended', body = NULL WHERE kind = 'customers' AND state IN ('waiting', 'ready')`)
	}
	if err != nil {
		return fmt.Errorf("erase personal data of partner %s: %w", code, err)
	}
	return nil
}

const partnerColumns = `SELECT p.code, v.version, v.name, v.name_en, v.contact, v.phone, v.email, v.address, v.tax_number, v.bank_name, v.bank_account, v.terms, v.note, v.keeper,
	v.supplier, v.customer, v.active, v.written_by, v.written_at, v.erased_at FROM partner p JOIN partner_version v ON v.partner = p.id `

func scanPartner(scan func(...any) error) (p Partner, err error) {
	var code, keeper string
	var supplier, customer, active, at, erased int64
	err = scan(&code, &p.Version, &p.Name, &p.NameEN, &p.Contact, &p.Phone, &p.Email, &p.Address, &p.TaxNumber, &p.BankName, &p.BankAccount, &p.Terms, &p.Note, &keeper,
		&supplier, &customer, &active, &p.By, &at, &erased)
	p.Code, p.Keeper, p.Supplier, p.Customer, p.Active = access.Customer(code), access.Account(keeper), supplier == 1, customer == 1, active == 1
	p.At, p.Erased = timeOf(at), timeOf(erased)
	return p, err
}

// Partner returns a partner in its newest version, or ErrNotFound.
func (v *View) Partner(code access.Customer) (Partner, error) {
	p, err := scanPartner(v.tx.QueryRow(partnerColumns+`AND v.version = p.version WHERE p.code = ?1`, string(code)).Scan)
	if errors.Is(err, vault.ErrNoRows) {
		err = ErrNotFound
	}
	if err != nil {
		return Partner{}, fmt.Errorf("partner %s: %w", code, err)
	}
	return p, nil
}

// PartnerVersions returns all versions of a partner, the newest first.
func (v *View) PartnerVersions(code access.Customer) (out []Partner, err error) {
	err = each(v.tx, func(r *vault.Rows) error {
		p, err := scanPartner(r.Scan)
		out = append(out, p)
		return err
	}, partnerColumns+`WHERE p.code = ?1 ORDER BY v.version DESC`, string(code))
	if err != nil {
		return nil, fmt.Errorf("read versions of partner %s: %w", code, err)
	}
	return out, nil
}

// PartnerFilter chooses partners. Zero fields do not restrict.
type PartnerFilter struct {
	Supplier, Customer bool
	Keeper             access.Account // as names are told apart
	After              access.Customer
}

// Partners calls fn for partners in their newest versions, by code, until it returns an error.
func (v *View) Partners(f PartnerFilter, fn func(Partner) error) error {
	err := each(v.tx, func(r *vault.Rows) error {
		p, err := scanPartner(r.Scan)
		if err != nil {
			return err
		}
		return fn(p)
	}, partnerColumns+`AND v.version = p.version WHERE (?1 = 0 OR p.supplier = 1) AND (?2 = 0 OR p.customer = 1) AND (?3 = '' OR p.keeper = ?3) AND p.code > ?4 ORDER BY p.code`,
		f.Supplier, f.Customer, string(f.Keeper), string(f.After))
	if err != nil {
		return fmt.Errorf("read partners: %w", err)
	}
	return nil
}

// AllCustomers returns the customers that each account looks after, accounts as they are told apart.
func (v *View) AllCustomers() (map[access.Account][]access.Customer, error) {
	out := map[access.Account][]access.Customer{}
	err := each(v.tx, func(r *vault.Rows) error {
		var keeper, code string
		err := r.Scan(&keeper, &code)
		out[access.Account(keeper)] = append(out[access.Account(keeper)], access.Customer(code))
		return err
	}, `SELECT keeper, code FROM partner WHERE customer = 1 AND keeper <> '' ORDER BY keeper, code`)
	if err != nil {
		return nil, fmt.Errorf("read keepers of customers: %w", err)
	}
	return out, nil
}

// CustomersOf returns the codes of the customers that somebody looks after, in order; folded is the account as names are told apart.
func (v *View) CustomersOf(folded access.Account) (out []access.Customer, err error) {
	err = each(v.tx, func(r *vault.Rows) error {
		var code string
		err := r.Scan(&code)
		out = append(out, access.Customer(code))
		return err
	}, `SELECT code FROM partner WHERE keeper = ?1 AND customer = 1 ORDER BY code`, string(folded))
	if err != nil {
		return nil, fmt.Errorf("read customers of %s: %w", folded, err)
	}
	return out, nil
}
