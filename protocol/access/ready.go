package access

// The ready roles. Their ids are stored.
const (
	Worker        RoleID = "warehouse-worker"
	Lead          RoleID = "warehouse-lead"
	Manager       RoleID = "branch-manager"
	Purchaser     RoleID = "purchaser"
	Seller        RoleID = "seller"
	Finance       RoleID = "finance"
	Operations    RoleID = "operations"
	SystemAdmin   RoleID = "system-administrator"
	SecurityAdmin RoleID = "security-administrator"
	Auditor       RoleID = "auditor"
	OpenStation   RoleID = "open-station" // of a station that works without a sign-in
)

// stepUp is how fresh the second factor has to be for the acts of ready roles that ask for it, in seconds.
const stepUp = 10 * 60

var (
	anywhere = Scope{Reach: Everywhere, Whose: Anyone}
	home     = Scope{Reach: Home, Whose: Anyone}
	homeMine = Scope{Reach: Home, Whose: OwnDocuments}
	mine     = Scope{Reach: Everywhere, Whose: OwnDocuments}
	clients  = Scope{Reach: Everywhere, Whose: OwnDocuments | OwnCustomers}
)

type mask = map[FieldClass]FieldAccess

// grants returns a grant of each permission with the same fields and scope.
func grants(s Scope, m mask, list ...Permission) (out []Grant) {
	for _, p := range list {
		out = append(out, Grant{Permission: p, Fields: m, Scope: s})
	}
	return out
}

// confirmed returns the grants with a fresh second factor asked for.
func confirmed(list []Grant) []Grant {
	for i := range list {
		list[i].Condition.StepUp = stepUp
	}
	return list
}

func ready(id RoleID, zh, en string, parts ...[]Grant) Role {
	r := Role{ID: id, Names: Text{ZH: zh, EN: en}}
	if id != OpenStation {
		parts = append(parts, grants(anywhere, nil, "lesson.take")) // everybody with an account learns
	}
	for _, p := range parts {
		for _, g := range p {
			r.Grants = append(r.Grants, g.clone()) // parts belong to several roles
		}
	}
	return r
}

// Ready returns the policy that a company begins with: version 1, the ready roles and what excludes what.
func Ready() Policy {
	var (
		parcel  = mask{Name: Read, Phone: Masked, Address: Read} // what it takes to hand a parcel over
		contact = mask{Name: Read, Phone: Read, Address: Read, Email: Read}
		buying  = mask{Cost: Read, Amount: Read, Name: Read, Phone: Read, Email: Read, Address: Read}
		order   = mask{Cost: Write, Amount: Write, Name: Read, Phone: Read, Email: Read, Address: Read}
		selling = mask{Price: Read, Amount: Read, Name: Read, Phone: Read, Email: Read, Address: Read}
		offer   = mask{Price: Write, Amount: Write, Name: Write, Phone: Write, Email: Write, Address: Write}
		money   = mask{Cost: Read, Price: Read, Amount: Read, Name: Read, Phone: Masked, Bank: Read}
		pay     = mask{Amount: Write, Name: Read, Bank: Read}
		figures = mask{Cost: Read, Price: Read, Amount: Read, Name: Read, Phone: Masked, Email: Masked, Address: Masked}
		unmask  = mask{Name: Read, Phone: Read, Email: Read, Address: Read} // classes that may be opened for a reason, see Masked
	)
	floor := [][]Grant{ // of everybody in a warehouse
		grants(home, nil, "stock.read", "movement.read", "transfer.read", "count.read", "station.read", "station.use", "print.read", "print.create", "goods_receipt.read"),
		grants(anywhere, nil, "master.read"),
		grants(home, parcel, "shipment.read"),
		grants(home, nil, "goods_receipt.write", "count.write", "shipment.write"),
	}
	return Policy{Version: 1, Roles: []Role{
		ready(Worker, "仓库员工", "Warehouse worker", append(floor, grants(homeMine, nil, "movement.reverse", "grant.request"))...),
		ready(Lead, "仓库主管", "Warehouse lead", append(floor,
			grants(home, nil, "movement.reverse", "station.override", "print.decide", "label.read", "transfer.write", "case.read", "device.read", "device.setup", "sync.read"),
			grants(homeMine, nil, "grant.request"))...),
		ready(Manager, "分支经理", "Branch manager",
			grants(home, figures, "stock.read", "movement.read", "transfer.read", "count.read", "goods_receipt.read", "shipment.read", "purchase_order.read", "sales_order.read"),
			grants(home, nil, "transfer.write", "adjustment.write", "case.read", "case.decide", "station.read", "station.override", "print.read", "label.read", "device.read", "sync.read"),
			grants(anywhere, nil, "master.read"),
			grants(home, contact, "person.read"),
			grants(home, mask{Name: Read}, "lesson.report"),
			grants(home, nil, "access.review"),
			grants(homeMine, nil, "grant.request"),
			grants(home, nil, "approval.decide", "export.create"),
			confirmed(grants(home, unmask, "field.unmask")),
			grants(home, nil, "attachment.read", "attachment.view", "attachment.write"),
			confirmed(grants(home, figures, "stock.export", "movement.export"))),
		ready(Purchaser, "采购", "Purchaser",
			grants(anywhere, nil, "master.read"),
			grants(anywhere, mask{Cost: Read}, "stock.read", "price.read"),
			grants(anywhere, buying, "goods_receipt.read", "purchase_order.read", "supplier.read"),
			grants(mine, order, "purchase_order.write"),
			grants(anywhere, nil, "attachment.read", "attachment.view", "attachment.write"),
			confirmed(grants(anywhere, nil, "attachment.download")),
			grants(anywhere, mask{Name: Write, Phone: Write, Email: Write, Address: Write}, "supplier.write")),
		ready(Seller, "销售", "Seller",
			grants(anywhere, nil, "master.read", "stock.read"),
			grants(anywhere, mask{Price: Read}, "price.read"),
			grants(clients, selling, "sales_order.read", "customer.read", "shipment.read"),
			grants(clients, offer, "sales_order.write", "customer.write"),
			confirmed(grants(clients, unmask, "field.unmask")),
			grants(clients, nil, "attachment.read", "attachment.view", "attachment.write"), // purchase invoices are not for sellers
			confirmed(grants(clients, nil, "attachment.download"))),
		ready(Finance, "财务", "Finance",
			grants(anywhere, money, "stock.read", "movement.read", "purchase_order.read", "goods_receipt.read", "sales_order.read", "shipment.read", "supplier.read", "customer.read",
				"price.read", "payment.read", "valuation.read"),
			grants(anywhere, nil, "master.read"),
			confirmed(grants(anywhere, unmask, "field.unmask")),
			grants(anywhere, nil, "attachment.read", "attachment.view"),
			confirmed(grants(anywhere, nil, "attachment.download")),
			grants(anywhere, nil, "approval.decide"),
			confirmed(grants(anywhere, pay, "payment.write")),
			confirmed(grants(anywhere, nil, "period.close"))),
		ready(Operations, "总部运营", "HQ operations",
			grants(anywhere, figures, "stock.read", "movement.read", "transfer.read", "count.read", "purchase_order.read", "goods_receipt.read", "sales_order.read", "shipment.read",
				"supplier.read", "customer.read", "price.read"),
			grants(anywhere, nil, "transfer.write", "master.read", "master.write", "label.read", "label.write", "print.read", "case.read", "case.decide", "station.read", "device.read",
				"sync.read", "node.read", "access.review"),
			grants(anywhere, figures, "purchase_order.approve", "sales_order.approve"),
			grants(anywhere, mask{Price: Write, Cost: Write}, "price.write"),
			grants(mine, nil, "grant.request"),
			grants(anywhere, nil, "approval.decide", "export.create"),
			confirmed(grants(anywhere, mask{Bank: Write}, "supplier.write", "customer.write")), // account numbers are not kept by who pays, nor by who orders
			confirmed(grants(anywhere, unmask, "field.unmask")),
			confirmed(grants(anywhere, nil, "partner.erase")),
			grants(anywhere, nil, "attachment.read", "attachment.view", "attachment.write"),
			confirmed(grants(anywhere, nil, "attachment.download", "attachment.delete")),
			confirmed(grants(anywhere, figures, "stock.export", "movement.export", "customer.export"))),
		ready(SystemAdmin, "系统管理员", "System administrator",
			grants(anywhere, nil, "device.read", "device.setup", "sync.read", "node.read", "station.read", "print.read", "setting.read", "backup.read"),
			confirmed(grants(anywhere, nil, "node.enrol", "node.revoke", "held.decide", "setting.write", "backup.write", "backup.restore", "release.install"))),
		ready(SecurityAdmin, "安全管理员", "Security administrator",
			grants(anywhere, contact, "person.read"),
			grants(anywhere, mask{Name: Read}, "lesson.report"),
			grants(anywhere, nil, "lesson.assign"),
			grants(anywhere, nil, "role.read", "access.report", "access.review", "approval.decide", "approval.read", "export.read"),
			confirmed(grants(anywhere, mask{Name: Write, Phone: Write, Email: Write}, "person.write")),
			confirmed(grants(anywhere, nil, "role.write", "grant.approve", "access.campaign", "approval.rules", "key.rotate"))),
		ready(Auditor, "审计员", "Auditor",
			grants(anywhere, nil, "audit.read", "approval.read", "export.read"),
			grants(anywhere, mask{Name: Read}, "lesson.report"),
			confirmed(grants(anywhere, nil, "audit.export"))),
		ready(OpenStation, "开放工位", "Open station",
			grants(home, nil, "station.use", "station.read")),
	}, Exclusions: []Exclusion{
		{ID: "administration", Names: Text{ZH: "三员分立", EN: "administrators are three people"}, Roles: []RoleID{SystemAdmin, SecurityAdmin, Auditor}},
		{ID: "order-receive-pay", Names: Text{ZH: "订货、收货、付款分离", EN: "who orders, receives and pays are three people"}, Duties: []Duty{
			{Names: Text{ZH: "订货", EN: "order"}, Permissions: []Permission{"purchase_order.write"}},
			{Names: Text{ZH: "收货", EN: "receive"}, Permissions: []Permission{"goods_receipt.write", "station.use"}},
			{Names: Text{ZH: "付款", EN: "pay"}, Permissions: []Permission{"payment.write"}},
		}},
		{ID: "count-adjust", Names: Text{ZH: "盘点与调整分离", EN: "who counts does not adjust"}, Duties: []Duty{
			{Names: Text{ZH: "盘点", EN: "count"}, Permissions: []Permission{"count.write", "station.use"}},
			{Names: Text{ZH: "调整", EN: "adjust"}, Permissions: []Permission{"adjustment.write"}},
		}},
		{ID: "purchase-approve", Names: Text{ZH: "采购制单与审批分离", EN: "who writes purchase orders does not approve them"}, Duties: []Duty{
			{Names: Text{ZH: "采购制单", EN: "write"}, Permissions: []Permission{"purchase_order.write"}},
			{Names: Text{ZH: "采购审批", EN: "approve"}, Permissions: []Permission{"purchase_order.approve"}},
		}},
		{ID: "sales-approve", Names: Text{ZH: "销售制单与审批分离", EN: "who writes sales orders does not approve them"}, Duties: []Duty{
			{Names: Text{ZH: "销售制单", EN: "write"}, Permissions: []Permission{"sales_order.write"}},
			{Names: Text{ZH: "销售审批", EN: "approve"}, Permissions: []Permission{"sales_order.approve"}},
		}},
		{ID: "grant-approve", Names: Text{ZH: "临时授权申请与审批分离", EN: "who asks for temporary grants does not approve them"}, Duties: []Duty{
			{Names: Text{ZH: "申请", EN: "ask"}, Permissions: []Permission{"grant.request"}},
			{Names: Text{ZH: "审批", EN: "approve"}, Permissions: []Permission{"grant.approve"}},
		}},
	}}
}
