package vault

import (
	"context"
	"fmt"
	"strings"
)

// Check reads every page in use from the disk and returns ErrDamaged, with what was
// found, when one was changed without the key, when a table or index is not in order,
// or when a reference leads nowhere. It works beside readers and writers.
func (s *Store) Check(ctx context.Context) error {
	c, err := s.fresh() // the page caches of the others would hide what the disk holds
	if err != nil {
		return fmt.Errorf("check store: %w", err)
	}
	defer c.close()
	if err := c.check(ctx); err != nil {
		return fmt.Errorf("check store: %w", explain(ctx, err))
	}
	return nil
}

func (c *conn) check(ctx context.Context) error {
	found, err := c.findings(ctx, `SELECT quick_check FROM pragma_quick_check WHERE quick_check <> 'ok' LIMIT 10`)
	if err != nil {
		return err
	}
	dangling, err := c.findings(ctx, `SELECT 'a row of ' || "table" || ' names a missing row of ' || parent FROM pragma_foreign_key_check LIMIT 10`)
	if err != nil {
		return err
	}
	if found = append(found, dangling...); len(found) > 0 {
		return fmt.Errorf("%w: %s", ErrDamaged, strings.Join(found, "; "))
	}
	return nil
}

func (c *conn) findings(ctx context.Context, query string) (found []string, err error) {
	rows, err := c.query(ctx, query, nil)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	for rows.Next() {
		var line string
		if err := rows.Scan(&line); err != nil {
			return nil, err
		}
		found = append(found, line)
	}
	return found, rows.Err()
}
