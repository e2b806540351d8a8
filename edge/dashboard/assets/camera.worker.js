"use strict";
// Reads the barcodes in pictures of the camera, apart from the page, which stays quick meanwhile.
// Told {reader, wasm}, the addresses of zxing-wasm, it answers {ready}; told a picture (ImageData)
// {codes}: what a scanner with AIM identifiers would send for each code in it, as bytes.
const options = {
  // what is found on goods, labels and shelves; rare ones would only be misread into
  formats: ["EANUPC", "Code128", "Code39", "Code93", "ITF", "DataBar", "DataBarLtd", "DataBarExp", "DataMatrix", "QRCode", "Aztec", "PDF417"],
  tryInvert: false,
  maxNumberOfSymbols: 4,
};

/** sent returns identifier and data. Where character sets are named in QR Code and Data Matrix, it is the form with \nnnnnn and doubled backslashes (ISO/IEC 15424, annex on ECI). */
function sent(code) {
  if (code.hasECI && /^\][Qd]/.test(code.symbologyIdentifier)) return Uint8Array.from(code.bytesECI);
  return Uint8Array.from([...new TextEncoder().encode(code.symbologyIdentifier), ...code.bytes]);
}

onmessage = async ({ data }) => {
  try {
    if (data.reader) {
      importScripts(data.reader);
      await ZXingWASM.prepareZXingModule({ overrides: { locateFile: () => data.wasm }, fireImmediately: true });
      postMessage({ ready: true });
    } else {
      const codes = await ZXingWASM.readBarcodes(data.picture, options);
      postMessage({ codes: codes.filter((c) => c.isValid && c.symbologyIdentifier && c.bytes.length).map(sent) });
    }
  } catch (e) {
    postMessage({ error: String(e) });
  }
};
