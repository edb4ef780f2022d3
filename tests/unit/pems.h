#pragma once
/*
 * pems: certificates and keys made for these tests alone, by openssl: PEM_ROOT signed PEM_MID, which signed
 * PEM_LEAF. These are good for a hundred years, PEM_OLD was for a day.
 */
#include "util/setting.h"

#include <string.h>

#define PEM_ROOT                                                             \
	"-----BEGIN CERTIFICATE-----\n"                                      \
	"MIIBGzCBzqADAgECAgEBMAUGAytlcDAMMQowCAYDVQQDDAFSMCAXDTI2MTEyMzEz\n" \
	"NDMwMloYDzIxMjYxMDMwMTM0MzAyWjAMMQowCAYDVQQDDAFSMCowBQYDK2VwAyEA\n" \
	"k6D56wBf7TcvPVAcrizF87EKArlikkBLFpqZCpUOQ96jUzBRMB0GA1UdDgQWBBSG\n" \
	"OF3vHiWwamoHL345eESKpomyjjAfBgNVHSMEGDAWgBSGOF3vHiWwamoHL345eESK\n" \
	"pomyjjAPBgNVHRMBAf8EBTADAQH/MAUGAytlcANBAH0UWF/OxmtxkghqMvAMPrDw\n" \
	"6NjgSWr9p5t5ovnplKk8vBO9INaKIxJgcq+6jeGrOga4IcumNTtTXw3drpOHoQY=\n" \
	"-----END CERTIFICATE-----\n"

#define PEM_MID                                                              \
	"-----BEGIN CERTIFICATE-----\n"                                      \
	"MIIBGDCBy6ADAgECAgECMAUGAytlcDAMMQowCAYDVQQDDAFSMCAXDTI2MTEyMzEz\n" \
	"NDMwMloYDzIxMjYxMDMwMTM0MzAyWjAMMQowCAYDVQQDDAFNMCowBQYDK2VwAyEA\n" \
	"ysZC/d9dsXwkrg7vbk8k2iCs5q4cKddRc5FVOcacw1ajUDBOMAwGA1UdEwQFMAMB\n" \
	"Af8wHQYDVR0OBBYEFDRTOCt1qscSQ3iuARUcM1Mjd088MB8GA1UdIwQYMBaAFIY4\n" \
	"Xe8eJbBqagcvfjl4RIqmibKOMAUGAytlcANBAOmezwPkAbE6ph7doTvHZvZjHwZA\n" \
	"ilkODjBTZP3J87cIfY1HPRTHNNgUhLZQeSTFFaoOOy4hXUFmK9PE1y1sAgg=\n"     \
	"-----END CERTIFICATE-----\n"

#define PEM_LEAF                                                             \
	"-----BEGIN CERTIFICATE-----\n"                                      \
	"MIIBFTCByKADAgECAgEDMAUGAytlcDAMMQowCAYDVQQDDAFNMCAXDTI2MTEyMzEz\n" \
	"NDMwMloYDzIxMjYxMDMwMTM0MzAyWjAMMQowCAYDVQQDDAFMMCowBQYDK2VwAyEA\n" \
	"Id4Rca8KnPKqces1yTfBSKNt1gIKRpFvKBVlzkGh6NOjTTBLMAkGA1UdEwQCMAAw\n" \
	"HQYDVR0OBBYEFBLXSQ4zMKPu2efTLax7yYEhf0CJMB8GA1UdIwQYMBaAFDRTOCt1\n" \
	"qscSQ3iuARUcM1Mjd088MAUGAytlcANBAHGzQxYUnPK5/BEW0Fk/fHOWhIxjp/7Y\n" \
	"e/BFqtEpGK+jmglixZw6VHTPw3WQy0S3WVIHoJaWB92MQuiJS82vTAA=\n"         \
	"-----END CERTIFICATE-----\n"

#define PEM_LEAF_KEY                                                         \
	"-----BEGIN PRIVATE KEY-----\n"                                      \
	"MC4CAQAwBQYDK2VwBCIEIE9RepFfVUri+Rj2Wc9/xu/X2vqA3qyp6PN5wNwwfKlE\n" \
	"-----END PRIVATE KEY-----\n"

#define PEM_OTHER_KEY                                                        \
	"-----BEGIN PRIVATE KEY-----\n"                                      \
	"MC4CAQAwBQYDK2VwBCIEIPm0fW8KcLqlUgL7rPX5s0oeBDG7iB7mzFY2OHigLyuG\n" \
	"-----END PRIVATE KEY-----\n"

#define PEM_EC_KEY                                                           \
	"-----BEGIN EC PARAMETERS-----\n"                                    \
	"BggqhkjOPQMBBw==\n"                                                 \
	"-----END EC PARAMETERS-----\n"                                      \
	"-----BEGIN EC PRIVATE KEY-----\n"                                   \
	"MHcCAQEEIEO8wNBXXgYogR3l9zMYqO02oGLbXjXBzgSJ6n+hXeHcoAoGCCqGSM49\n" \
	"AwEHoUQDQgAE6RVlUyBprf4d/u+2vIJR73/MCynJOdk1/Q+Ud08JOrDZLPXCBSIy\n" \
	"YSJcRZIJ8Jkd+IjpyNLjMTz3TqK+7qWEJQ==\n"                             \
	"-----END EC PRIVATE KEY-----\n"

#define PEM_ENCRYPTED_KEY                                                    \
	"-----BEGIN ENCRYPTED PRIVATE KEY-----\n"                            \
	"MIGbMFcGCSqGSIb3DQEFDTBKMCkGCSqGSIb3DQEFDDAcBAgoKrK7631myAICCAAw\n" \
	"DAYIKoZIhvcNAgkFADAdBglghkgBZQMEAQIEEDbwZ7w91F19Jn+0dyNxMYEEQD52\n" \
	"RpprMH+0TEqq4moo/+zjTiG/um6b3d68XAzvHaeynDay21xqtAhxnPuEz8XwGdDc\n" \
	"JnE7XPF3VmAHwBskzhw=\n"                                             \
	"-----END ENCRYPTED PRIVATE KEY-----\n"

#define PEM_ENCRYPTED_OLD_KEY                                                \
	"-----BEGIN RSA PRIVATE KEY-----\n"                                  \
	"Proc-Type: 4,ENCRYPTED\n"                                           \
	"DEK-Info: AES-128-CBC,8EF697DFCA447277A63CEA4112AABD0F\n"           \
	"\n"                                                                 \
	"dnxDKFMxRbescP8AGXbig78FYwRFjrgGuWtv8L6mXWNx3aSnhks7Zs6JPHOMaL0K\n" \
	"g6y7bsP3kWgdIgQuI2i3o/3viMvv/BzqGuh4XxVq5Y5VYirv03yL4Wa0yvVW/2JD\n" \
	"nJEvSUevgjzRMSZet420g/7GJCxnhcZFtfJMTBXQxLG6b5PrBOs4E97o38onx1Gn\n" \
	"ZQrP8jdwiW1Q+EsP2R0vNmD7tHXSL5+kMomt6r5Zfrix0gCO2ghY+vxaXbdNr+/O\n" \
	"vkaTKPQ11X6MqjeGSsNXIuGB9EfmJzca2kbGmWdPYNGeF7lDKKC+4cGjlMWs1aJq\n" \
	"rTbCFRABrIkjaRSM+wkpCb97+2p2mgxaepl7q8uUcEzQu1TNnHxe/4j4N97YZ2ok\n" \
	"sjKJIJUhT2TLHARRvV3lkY29kgz2E0Lf9L4nC4bV4HQ=\n"                     \
	"-----END RSA PRIVATE KEY-----\n"

#define PEM_OPENSSH_KEY                                                            \
	"-----BEGIN OPENSSH PRIVATE KEY-----\n"                                    \
	"b3BlbnNzaC1rZXktdjEAAAAABG5vbmUAAAAEbm9uZQAAAAAAAAABAAAAMwAAAAtzc2gtZW\n" \
	"QyNTUxOQAAACCy3jaJK6yZPgdhBCoFmQjcm9vTSzZNCWwZr1anG95OAgAAAIiH+2Lnh/ti\n" \
	"5wAAAAtzc2gtZWQyNTUxOQAAACCy3jaJK6yZPgdhBCoFmQjcm9vTSzZNCWwZr1anG95OAg\n" \
	"AAAEACLeNlu8vHz17jxNdaGF7LJ2Blp5EVU/OFNsCF/kVBLrLeNokrrJk+B2EEKgWZCNyb\n" \
	"29NLNk0JbBmvVqcb3k4CAAAAAAECAwQF\n"                                       \
	"-----END OPENSSH PRIVATE KEY-----\n"

#define PEM_OLD                                                              \
	"-----BEGIN CERTIFICATE-----\n"                                      \
	"MIIBEzCBxqADAgECAgEFMAUGAytlcDAMMQowCAYDVQQDDAFNMB4XDTIwMDEwMTAw\n" \
	"MDAwMFoXDTIwMDEwMjAwMDAwMFowDDEKMAgGA1UEAwwBRTAqMAUGAytlcAMhACHe\n" \
	"EXGvCpzyqnHrNck3wUijbdYCCkaRbygVZc5BoejTo00wSzAJBgNVHRMEAjAAMB0G\n" \
	"A1UdDgQWBBQS10kOMzCj7tnn0y2se8mBIX9AiTAfBgNVHSMEGDAWgBQ0UzgrdarH\n" \
	"EkN4rgEVHDNTI3dPPDAFBgMrZXADQQByL6zgXiF9dH0XDXGP9io08jgT0pjvK+D8\n" \
	"xGxg74uiF7mkcLUG5BUOmkkB5K5TmICZ+LxyZWW1EF7yt6MrTX8G\n"             \
	"-----END CERTIFICATE-----\n"

#define PEM_FROM_S      1795441382 /* 2026-11-23T13:43:02Z */
#define PEM_UNTIL_S     4949041382 /* 2126-10-30T13:43:02Z */
#define PEM_OLD_FROM_S  1577836800 /* 2020-01-01T00:00:00Z */
#define PEM_OLD_UNTIL_S 1577923200 /* 2020-01-02T00:00:00Z */

/* A line from within the keys: what must never be seen again. */
#define PEM_LEAF_KEY_LINE "MC4CAQAwBQYDK2VwBCIEIE9RepFfVUri+Rj2Wc9/xu/X2vqA3qyp6PN5wNwwfKlE"

/* A value that the row takes, also where that is too long to stand in the row. */
static inline const char *row_example(const struct setting *s)
{
	return s->example ? s->example : strstr(s->name, "key") ? PEM_LEAF_KEY : PEM_LEAF;
}
