package approvals

import (
	"stockade/protocol/access"
	"stockade/protocol/approval"
	"stockade/protocol/stock"
)

// changeRules are the rules that a company begins with for prices and adjustments: small ones count at once, large ones wait for somebody else.
func changeRules() []approval.Rule {
	finance, hq := approval.Party{Roles: []access.RoleID{access.Finance}}, approval.Party{Roles: []access.RoleID{access.Operations}}
	price := []approval.Step{{Approvers: finance, Need: 1, Deputies: hq, DeputiesAfter: day / 3, Timeout: 3 * day, Then: approval.End}}
	settle := []approval.Step{{Approvers: approval.Party{Permission: "adjustment.write"}, Need: 1, Deputies: hq, DeputiesAfter: 3 * day, Timeout: 3 * day, Then: approval.Escalate}}
	return []approval.Rule{
		{ID: "price-large", Names: access.Text{ZH: "调价幅度 10% 以上由财务审批", EN: "price changes of 10 % and more: finance"},
			When: approval.Condition{Kind: approval.Price, Percent: 10_00}, Steps: price},
		{ID: "price", Names: access.Text{ZH: "小幅调价直接生效", EN: "smaller price changes count at once"}, When: approval.Condition{Kind: approval.Price}},
		{ID: "adjustment-value", Names: access.Text{ZH: "盘点差异金额 1000 元以上要确认", EN: "adjustments worth 1000 and more are confirmed"},
			When: approval.Condition{Kind: approval.Adjustment, Amount: 1000_00}, Steps: settle},
		{ID: "adjustment-quantity", Names: access.Text{ZH: "盘点差异 10 个且 10% 以上要确认", EN: "adjustments of 10 units and 10 % and more are confirmed"},
			When: approval.Condition{Kind: approval.Adjustment, Quantity: 10 * stock.Unit, Percent: 10_00}, Steps: settle},
		{ID: "adjustment", Names: access.Text{ZH: "小的盘点差异不用确认", EN: "smaller adjustments stand"}, When: approval.Condition{Kind: approval.Adjustment}},
	}
}
