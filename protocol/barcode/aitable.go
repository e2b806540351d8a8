package barcode

// aiTable lists the GS1 application identifiers, re-expressed from the GS1 Barcode Syntax
// Dictionary, release 2026-01-27 (GS1 AISBL, Apache License 2.0).
//
// A line is: the AI or a range of AIs; "f" for a predefined length that needs no separator and "a" for
// an AI allowed as attribute in a GS1 Digital Link, "-" for neither; the components of the
// value, joined by "+"; after "!" the AIs that must not stand beside it; after "/" that it is a
// primary key of a GS1 Digital Link, with its qualifiers in order and alternatives after "|".
//
// A component is n (digits), x (CSET 82), y (CSET 39) or z (base64url) with its length, "-" before
// the length meaning "up to", "?" after it meaning "may be missing", and after ":" the
// rules its content obeys. Which AIs must accompany another is left out: they may stand in another
// symbol on the same goods.
const aiTable = `
00 fa n18:csum.gcppos2 /
01 fa n14:csum.gcppos2 !255,37 /22,10,21|235
02 fa n14:csum.gcppos2 !01,03
03 f n14:csum.gcppos2 !01,02,37
10 a x-20
11 fa n6:yymmd0
12 fa n6:yymmd0
13 fa n6:yymmd0
15 fa n6:yymmd0
16 fa n6:yymmd0
17 fa n6:yymmd0
20 fa n2
21 - x-20 !235
22 - x-20
235 - x-28
240 a x-30
241 a x-30
242 a n-6
243 a x-20
250 a x-30
251 a x-30
253 a n13:csum.gcppos1+x-17? /
254 - x-20
255 a n13:csum.gcppos1+n-12? !01,02,415,8006,8020,8026 /
30 a n-8
3100-3105 fa n6 !310n
3110-3115 fa n6 !311n
3120-3125 fa n6 !312n
3130-3135 fa n6 !313n
3140-3145 fa n6 !314n
3150-3155 fa n6 !315n
3160-3165 fa n6 !316n
3200-3205 fa n6 !320n
3210-3215 fa n6 !321n
3220-3225 fa n6 !322n
3230-3235 fa n6 !323n
3240-3245 fa n6 !324n
3250-3255 fa n6 !325n
3260-3265 fa n6 !326n
3270-3275 fa n6 !327n
3280-3285 fa n6 !328n
3290-3295 fa n6 !329n
3300-3305 fa n6 !330n
3310-3315 fa n6 !331n
3320-3325 fa n6 !332n
3330-3335 fa n6 !333n
3340-3345 fa n6 !334n
3350-3355 fa n6 !335n
3360-3365 fa n6 !336n
3370-3375 fa n6 !337n
3400-3405 fa n6 !340n
3410-3415 fa n6 !341n
3420-3425 fa n6 !342n
3430-3435 fa n6 !343n
3440-3445 fa n6 !344n
3450-3455 fa n6 !345n
3460-3465 fa n6 !346n
3470-3475 fa n6 !347n
3480-3485 fa n6 !348n
3490-3495 fa n6 !349n
3500-3505 fa n6 !350n
3510-3515 fa n6 !351n
3520-3525 fa n6 !352n
3530-3535 fa n6 !353n
3540-3545 fa n6 !354n
3550-3555 fa n6 !355n
3560-3565 fa n6 !356n
3570-3575 fa n6 !357n
3600-3605 fa n6 !360n
3610-3615 fa n6 !361n
3620-3625 fa n6 !362n
3630-3635 fa n6 !363n
3640-3645 fa n6 !364n
3650-3655 fa n6 !365n
3660-3665 fa n6 !366n
3670-3675 fa n6 !367n
3680-3685 fa n6 !368n
3690-3695 fa n6 !369n
37 a n-8
3900-3909 a n-15 !390n,391n,394n,8111
3910-3919 a n3:iso4217+n-15 !391n
3920-3929 a n-15 !392n,393n
3930-3939 a n3:iso4217+n-15 !393n
3940-3943 a n4 !394n,8111
3950-3955 a n6 !392n,393n,395n,8005
400 a x-30
401 a x-30:gcppos1 /
402 a n17:csum.gcppos1 /
403 a x-30
410 fa n13:csum.gcppos1
411 fa n13:csum.gcppos1
412 fa n13:csum.gcppos1
413 fa n13:csum.gcppos1
414 fa n13:csum.gcppos1 /254|7040
415 fa n13:csum.gcppos1 /8020
416 fa n13:csum.gcppos1
417 fa n13:csum.gcppos1 /7040
420 a x-20 !421
421 a n3:iso3166+x-9 !4307
422 a n3:iso3166 !426
423 a n3:iso3166+n3?:iso3166+n3?:iso3166+n3?:iso3166+n3?:iso3166 !426
424 a n3:iso3166 !426
425 a n3:iso3166+n3?:iso3166+n3?:iso3166+n3?:iso3166+n3?:iso3166 !426
426 a n3:iso3166
427 a x-3
4300 a x-35:pcenc
4301 a x-35:pcenc
4302 a x-70:pcenc
4303 a x-70:pcenc
4304 a x-70:pcenc
4305 a x-70:pcenc
4306 a x-70:pcenc
4307 a x2:iso3166alpha2
4308 a x-30
4309 a n10:latitude+n10:longitude
4310 a x-35:pcenc
4311 a x-35:pcenc
4312 a x-70:pcenc
4313 a x-70:pcenc
4314 a x-70:pcenc
4315 a x-70:pcenc
4316 a x-70:pcenc
4317 a x2:iso3166alpha2
4318 a x-20
4319 a x-30
4320 a x-35:pcenc
4321 a n1:yesno
4322 a n1:yesno
4323 a n1:yesno
4324 a n6:yymmd0+n4:hhmi
4325 a n6:yymmd0+n4:hhmi
4326 a n6:yymmdd
4330 a n6+x1?:hyphen !4331
4331 a n6+x1?:hyphen !4330
4332 a n6+x1?:hyphen !4333
4333 a n6+x1?:hyphen !4332
7001 a n13
7002 a x-30
7003 a n6:yymmdd+n4:hhmi
7004 a n-4
7005 a x-12
7006 a n6:yymmdd
7007 a n6:yymmdd+n6?:yymmdd
7008 a x-3
7009 a x-10
7010 a x-2
7011 a n6:yymmdd+n4?:hhmi
7020 a x-20
7021 a x-20
7022 a x-20
7023 a x-30:gcppos1
7030 a n3:iso3166999+x-27
7031 a n3:iso3166999+x-27
7032 a n3:iso3166999+x-27
7033 a n3:iso3166999+x-27
7034 a n3:iso3166999+x-27
7035 a n3:iso3166999+x-27
7036 a n3:iso3166999+x-27
7037 a n3:iso3166999+x-27
7038 a n3:iso3166999+x-27
7039 a n3:iso3166999+x-27
7040 - n1+x1+x1+x1:importeridx
7041 - x-4:packagetype
710 a x-20
711 a x-20
712 a x-20
713 a x-20
714 a x-20
715 a x-20
716 a x-20
717 a x-20
7230 a x2+x-28
7231 a x2+x-28
7232 a x2+x-28
7233 a x2+x-28
7234 a x2+x-28
7235 a x2+x-28
7236 a x2+x-28
7237 a x2+x-28
7238 a x2+x-28
7239 a x2+x-28
7240 a x-20
7241 a n2:mediatype
7242 a x-25
7250 a n8:yyyymmdd !7251
7251 a n8:yyyymmdd+n4:hhmi !7250
7252 a n1:iso5218
7253 a x-40:pcenc !7256,7259
7254 a x-40:pcenc !7256,7259
7255 a x-10 !7256,7259
7256 a x-90:pcenc
7257 a x-70:pcenc
7258 a x3:posinseqslash
7259 a x-40:pcenc !7256
8001 a n4:nonzero+n5:nonzero+n3:nonzero+n1:winding+n1
8002 a x-20
8003 a n1:zero+n13:csum.gcppos1+x-16? /
8004 a x-30:gcppos1 /7040
8005 a n6
8006 a n14:csum.gcppos2+n4:pieceoftotal !01,37 /22,10,21
8007 a x-34:iban
8008 a n6:yymmdd+n2:hh+n2?:mi+n2?:ss
8009 a x-50
8010 a y-30:gcppos1 /8011
8011 - n-12:nozeroprefix
8012 a x-20
8013 a x-25:csumalpha.gcppos1 /
8014 - x-25:csumalpha.gcppos1.hasnondigit
8017 a n18:csum.gcppos1 !8018 /8019
8018 a n18:csum.gcppos1 !8017 /8019
8019 - n-10
8020 - x-25
8026 a n14:csum.gcppos2+n4:pieceoftotal !02,8006
8030 a z-90
8040 - n15
8041 - n15
8042 - n32
8043 - n18+n-2?
8110 a x-70:couponcode
8111 a n4
8112 a x-70:couponposoffer
8200 - x-70
90 a x-30
91-99 a x-90
`
