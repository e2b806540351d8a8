package vault

import (
	"database/sql"
	"database/sql/driver"
	"fmt"
	"reflect"
)

// scan copies one row. The common types take no reflection.
func scan(row []driver.Value, dest []any) error {
	if len(dest) != len(row) {
		return fmt.Errorf("scan: %d columns into %d variables", len(row), len(dest))
	}
	for i, to := range dest {
		if err := scanColumn(row[i], to); err != nil {
			return fmt.Errorf("scan column %d: %w", i+1, err)
		}
	}
	return nil
}

func scanColumn(from driver.Value, to any) error {
	switch to := to.(type) {
	case *int64:
		if v, ok := from.(int64); ok {
			*to = v
			return nil
		}
	case *string:
		if v, ok := from.(string); ok {
			*to = v
			return nil
		}
	case *[]byte:
		switch v := from.(type) {
		case nil:
			*to = nil
			return nil
		case []byte:
			*to = v
			return nil
		}
	case *any:
		*to = from
		return nil
	case sql.Scanner:
		return to.Scan(from)
	}
	p := reflect.ValueOf(to)
	if p.Kind() != reflect.Pointer || p.IsNil() {
		return fmt.Errorf("want a pointer, have %T", to)
	}
	return scanValue(from, p.Elem())
}

// scanValue copies into types that are made of the basic ones. It never rounds, cuts or
// reads a number out of a text: the column's type is what the schema says.
func scanValue(from driver.Value, to reflect.Value) error {
	if to.Kind() == reflect.Pointer {
		if from == nil {
			to.SetZero()
			return nil
		}
		to.Set(reflect.New(to.Type().Elem()))
		return scanValue(from, to.Elem())
	}
	switch v := from.(type) {
	case int64:
		switch {
		case to.CanInt() && !to.OverflowInt(v):
			to.SetInt(v)
			return nil
		case to.CanUint() && v >= 0 && !to.OverflowUint(uint64(v)):
			to.SetUint(uint64(v))
			return nil
		case to.Kind() == reflect.Bool && (v == 0 || v == 1):
			to.SetBool(v == 1)
			return nil
		}
	case float64:
		if to.CanFloat() {
			to.SetFloat(v)
			return nil
		}
	case string:
		if to.Kind() == reflect.String {
			to.SetString(v)
			return nil
		}
	case []byte:
		if to.Kind() == reflect.Slice && to.Type().Elem().Kind() == reflect.Uint8 {
			to.SetBytes(v)
			return nil
		}
		if to.Kind() == reflect.Array && to.Type().Elem().Kind() == reflect.Uint8 && to.Len() == len(v) {
			reflect.Copy(to, reflect.ValueOf(v))
			return nil
		}
	}
	return fmt.Errorf("%s does not fit into %s", describe(from), to.Type())
}

// describe names a value without showing it: it may be personal.
func describe(v driver.Value) string {
	switch v := v.(type) {
	case nil:
		return "NULL"
	case int64:
		return fmt.Sprintf("number %d", v)
	case []byte:
		return fmt.Sprintf("%d bytes", len(v))
	}
	return fmt.Sprintf("%T", v)
}
