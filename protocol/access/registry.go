package access

// Info is what is known of a permission.
type Info struct {
	Permission Permission
	Title      Text
	Privileged bool // refused while the machine's clock is doubtful or it has been out of contact too long
}

// Group is a part of the menu with its permissions, as an editor shows them.
type Group struct {
	ID          string
	Title       Text
	Permissions []Info
}

// Groups returns every permission that this program knows, grouped and in the order of the menu.
func Groups() []Group {
	out := make([]Group, len(registry))
	for i, g := range registry {
		out[i] = g
		out[i].Permissions = append([]Info(nil), g.Permissions...)
	}
	return out
}

// Lookup returns what is known of p, and whether anything is.
func Lookup(p Permission) (Info, bool) {
	n, ok := numbers[p]
	if !ok {
		return Info{}, false
	}
	return infos[n], true
}

// Title returns p as people read it; for one that is not known, its name.
func (p Permission) Title() Text {
	if info, ok := Lookup(p); ok {
		return info.Title
	}
	return Text{ZH: string(p), EN: string(p)}
}

func plain(p Permission, zh, en string) Info {
	return Info{Permission: p, Title: Text{ZH: zh, EN: en}}
}

func privileged(p Permission, zh, en string) Info {
	return Info{Permission: p, Title: Text{ZH: zh, EN: en}, Privileged: true}
}

// registry has all permissions. A name that was released is never used for anything else.
var registry = []Group{
	{ID: "stock", Title: Text{ZH: "库存", EN: "Stock"}, Permissions: []Info{
		plain("stock.read", "查看库存", "See stock"),
		plain("stock.export", "导出库存", "Export stock"),
		plain("movement.read", "查看出入库流水", "See movements"),
		plain("movement.reverse", "冲销流水", "Reverse a movement"),
		plain("movement.export", "导出流水", "Export movements"),
		plain("transfer.read", "查看调拨单", "See transfers"),
		plain("transfer.write", "编制调拨单", "Write transfers"),
		plain("count.read", "查看盘点", "See counts"),
		plain("count.write", "登记盘点", "Record a count"),
		plain("adjustment.write", "确认盘点差异", "Confirm what a count adjusts"),
		plain("case.read", "查看异常", "See exceptions"),
		plain("case.decide", "处理异常", "Decide exceptions"),
	}},
	{ID: "station", Title: Text{ZH: "工位作业", EN: "Stations"}, Permissions: []Info{
		plain("station.use", "在工位扫码作业", "Work at a station"),
		plain("station.read", "查看工位", "See stations"),
		plain("station.override", "放行被拒的扫码", "Let a refused scan pass"),
	}},
	{ID: "label", Title: Text{ZH: "标签与打印", EN: "Labels and printing"}, Permissions: []Info{
		plain("label.read", "查看标签模板", "See label templates"),
		plain("label.write", "编辑标签模板", "Edit label templates"),
		plain("print.read", "查看打印队列", "See the print queue"),
		plain("print.create", "打印标签", "Print labels"),
		plain("print.decide", "处理打印任务（确认、取消、补打）", "Settle, cancel and repeat print jobs"),
	}},
	{ID: "purchase", Title: Text{ZH: "采购", EN: "Purchasing"}, Permissions: []Info{
		plain("purchase_order.read", "查看采购订单", "See purchase orders"),
		plain("purchase_order.write", "编制采购订单", "Write purchase orders"),
		plain("purchase_order.approve", "审批采购订单", "Approve purchase orders"),
		plain("goods_receipt.read", "查看收货单", "See goods receipts"),
		plain("goods_receipt.write", "登记收货", "Receive goods"),
		plain("supplier.read", "查看供应商", "See suppliers"),
		plain("supplier.write", "维护供应商", "Maintain suppliers"),
	}},
	{ID: "sales", Title: Text{ZH: "销售", EN: "Sales"}, Permissions: []Info{
		plain("sales_order.read", "查看销售订单", "See sales orders"),
		plain("sales_order.write", "编制销售订单", "Write sales orders"),
		plain("sales_order.approve", "审批销售订单", "Approve sales orders"),
		plain("shipment.read", "查看发货单", "See shipments"),
		plain("shipment.write", "登记发货", "Ship goods"),
		plain("customer.read", "查看客户", "See customers"),
		plain("customer.write", "维护客户", "Maintain customers"),
		plain("customer.export", "导出客户资料", "Export customers"),
		privileged("partner.erase", "按本人要求清除个人信息", "Erase personal data of a partner on demand"),
		plain("price.read", "查看价格表", "See price lists"),
		plain("price.write", "调整价格", "Change prices"),
	}},
	{ID: "finance", Title: Text{ZH: "财务", EN: "Finance"}, Permissions: []Info{
		plain("payment.read", "查看收付款", "See payments"),
		privileged("payment.write", "付款", "Pay"),
		plain("valuation.read", "查看库存成本", "See what stock is worth"),
		privileged("period.close", "关账", "Close a period"),
	}},
	{ID: "master", Title: Text{ZH: "基础资料", EN: "Master data"}, Permissions: []Info{
		plain("master.read", "查看商品和库位", "See items and bins"),
		plain("master.write", "维护商品和库位", "Maintain items and bins"),
	}},
	{ID: "fleet", Title: Text{ZH: "设备与节点", EN: "Devices and nodes"}, Permissions: []Info{
		plain("device.read", "查看扫码枪和打印机", "See scanners and printers"),
		plain("device.setup", "设置扫码枪和打印机", "Set up scanners and printers"),
		plain("sync.read", "查看同步状态", "See how sync is doing"),
		plain("node.read", "查看节点", "See nodes"),
		privileged("node.enrol", "接入节点", "Enrol a node"),
		privileged("node.revoke", "吊销节点", "Revoke a node"),
		privileged("held.decide", "裁决被扣留的批次", "Decide held batches"),
	}},
	{ID: "people", Title: Text{ZH: "人员与权限", EN: "People and rights"}, Permissions: []Info{
		plain("person.read", "查看人员", "See people"),
		privileged("person.write", "维护人员及其角色", "Maintain people and their roles"),
		plain("role.read", "查看角色", "See roles"),
		privileged("role.write", "编辑角色和互斥规则", "Edit roles and what excludes what"),
		plain("grant.request", "申请临时授权", "Ask for a temporary grant"),
		privileged("grant.approve", "审批临时授权", "Approve temporary grants"),
		plain("access.report", "查看权限报告", "See who can do what"),
		plain("access.review", "复核所辖人员的角色", "Confirm or withdraw roles in a review"),
		privileged("access.campaign", "发起和结束权限复核", "Start and close access reviews"),
		plain("approval.decide", "审批别人的申请（由规则指定审批人）", "Decide what others ask for, where a rule names one"),
		plain("approval.read", "查看全部申请和审批记录", "See all requests and what became of them"),
		plain("field.unmask", "写明理由后查看脱敏内容", "See what is masked, for a reason"),
		privileged("approval.rules", "编辑审批规则", "Edit the rules of approvals"),
	}},
	{ID: "lesson", Title: Text{ZH: "安全课程", EN: "Security lessons"}, Permissions: []Info{
		plain("lesson.take", "学习安全课程", "Take security lessons"),
		plain("lesson.report", "查看谁学完了课程", "See who has passed which lesson"),
		plain("lesson.assign", "布置和编写课程", "Assign and write lessons"),
	}},
	{ID: "export", Title: Text{ZH: "导出", EN: "Exports"}, Permissions: []Info{
		plain("export.create", "导出文件", "Export to files"),
		plain("export.read", "查看全部导出记录", "See all exports"),
	}},
	{ID: "attachment", Title: Text{ZH: "附件", EN: "Attachments"}, Permissions: []Info{
		plain("attachment.read", "查看附件清单", "See that there are files"),
		plain("attachment.view", "在屏幕上查看附件", "Look at files on the screen"),
		plain("attachment.download", "下载附件", "Download files"),
		plain("attachment.write", "添加附件", "Add files"),
		privileged("attachment.delete", "销毁附件", "Destroy files"),
	}},
	{ID: "system", Title: Text{ZH: "系统", EN: "System"}, Permissions: []Info{
		plain("setting.read", "查看设置", "See settings"),
		privileged("setting.write", "修改设置", "Change settings"),
		plain("backup.read", "查看备份", "See backups"),
		privileged("backup.write", "执行备份", "Make a backup"),
		privileged("backup.restore", "恢复备份", "Restore a backup"),
		privileged("release.install", "安装新版本", "Install a release"),
		privileged("key.rotate", "更换密钥", "Rotate keys"),
	}},
	{ID: "audit", Title: Text{ZH: "审计日志", EN: "Audit log"}, Permissions: []Info{
		plain("audit.read", "查看审计日志", "See the audit log"),
		plain("audit.export", "导出审计日志", "Export the audit log"),
	}},
}

// known is the most permissions that a set of them has room for.
const known = 128

// infos are all permissions in the order of the registry, and numbers their places in it. Places are never stored.
var infos, numbers = index()

func index() (list []Info, places map[Permission]int) {
	places = map[Permission]int{}
	for _, g := range registry {
		for _, info := range g.Permissions {
			places[info.Permission] = len(list)
			list = append(list, info)
		}
	}
	if len(list) > known || len(list) != len(places) {
		panic("access: too many permissions, or one twice") // the registry is a constant: every test fails at once
	}
	return list, places
}

// set is a set of permissions by their places.
type set [known / 64]uint64

func (s *set) add(n int)      { s[n/64] |= 1 << (n % 64) }
func (s *set) has(n int) bool { return s[n/64]>>(n%64)&1 == 1 }
