// The goods and bins of the browser tests, and barcodes for them.

/** gtin13 returns twelve digits with their check digit. */
export function gtin13(twelve) {
  const sum = [...twelve].reduce((n, d, i) => n + Number(d) * (i % 2 ? 3 : 1), 0);
  return twelve + ((10 - (sum % 10)) % 10);
}

const names = [
  ["MILK-250", "纯牛奶 250 毫升", "Milk 250 ml", "盒"], ["RICE-5K", "东北大米 5 千克", "Rice 5 kg", "袋"], ["TEA-100", "龙井茶 100 克", "Longjing tea 100 g", "罐"],
  ["OIL-1L", "菜籽油 1 升", "Rapeseed oil 1 l", "瓶"], ["SOAP-3", "洗手液 3 支装", "Hand soap 3-pack", "组"], ["LAMP-A60", "节能灯泡 A60", "Lamp A60", "个"],
];

/** items are what is in the catalogue: sku, name, english, unit, gtin (13 digits). */
export const items = names.map(([sku, name, english, unit], i) => ({ sku, name, english, unit, gtin: gtin13(`69012345670${i}`) }));

export const [milk, rice, tea, oil, soap, lamp] = items;

export const catalogue = {
  items: "sku,name,name_en,unit,code\n" + items.map((i) => `${i.sku},${i.name},${i.english},${i.unit},0${i.gtin}\n`).join(""),
  locations: "warehouse,bin,use\n" + ["SHA", "CTU"].flatMap((w) => [`${w},RECV,receiving\n`, `${w},A-01,storage\n`, `${w},A-02,storage\n`, `${w},B-01,storage\n`]).join(""),
};

/** ean is what a scanner sends for an item's EAN-13. */
export const ean = (item) => "]E0" + item.gtin;

/** gs1 is what a scanner sends for a GS1-128 label of an item with lot, expiry (YYMMDD), count and serial number. */
export function gs1(item, { lot, expiry, count, serial } = {}) {
  const parts = [`010${item.gtin}`];
  if (expiry) parts.push(`17${expiry}`);
  if (lot) parts.push(`10${lot}\x1d`);
  if (count) parts.push(`30${count}\x1d`);
  if (serial) parts.push(`21${serial}\x1d`);
  return "]C1" + parts.join("").replace(/\x1d$/, "");
}
