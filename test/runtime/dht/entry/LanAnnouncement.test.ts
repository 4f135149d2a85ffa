import { assert, describe, it } from "@effect/vitest"
import * as Option from "effect/Option"
import * as LanAnnouncement from "../../../../src/runtime/dht/entry/LanAnnouncement.ts"

const HASH = "0123456789abcdef0123456789abcdef01234567"
const HOST = `Host: ${LanAnnouncement.GROUP}:${LanAnnouncement.PORT}`
const FIRST = "BT-SEARCH * HTTP/1.1"

const decode = (...lines: ReadonlyArray<string>) =>
  LanAnnouncement.decode(new TextEncoder().encode([...lines, "", "", ""].join("\r\n")))

describe("LanAnnouncement", () => {
  it("writes what BEP 14 shows, and reads it back", () => {
    const announcement = { port: 6881, infohashes: [HASH, "ff".repeat(20)], cookie: "a1b2" }
    const bytes = LanAnnouncement.encode(announcement)
    assert.strictEqual(
      new TextDecoder().decode(bytes),
      `${FIRST}\r\n${HOST}\r\nPort: 6881\r\nInfohash: ${HASH}\r\nInfohash: ${"ff".repeat(20)}\r\ncookie: a1b2\r\n\r\n\r\n`
    )
    assert.deepStrictEqual(LanAnnouncement.decode(bytes), Option.some(announcement))
  })

  it("reads headers in any order and case, without a cookie, and passes over unknown ones", () => {
    assert.deepStrictEqual(
      decode(FIRST, "X-Other: 1", `INFOHASH: ${HASH.toUpperCase()}`, "port:1", HOST.toUpperCase()),
      Option.some({ port: 1, infohashes: [HASH], cookie: undefined })
    )
    const single = new TextEncoder().encode([FIRST, HOST, "Port: 1", `Infohash: ${HASH}`, "", ""].join("\r\n"))
    assert.isTrue(Option.isSome(LanAnnouncement.decode(single)), "one empty line, as some clients end it")
  })

  it("refuses everything else", () => {
    const good = [FIRST, HOST, "Port: 6881", `Infohash: ${HASH}`]
    const wrong: ReadonlyArray<ReadonlyArray<string>> = [
      [],
      ["BT-SEARCH * HTTP/1.0", ...good.slice(1)],
      ["M-SEARCH * HTTP/1.1", ...good.slice(1)],
      [FIRST, "Host: 239.255.255.250:1900", ...good.slice(2)],
      [...good, HOST],
      [...good, "Port: 6882"],
      [FIRST, HOST, "Port: 0", good[3]!],
      [FIRST, HOST, "Port: 65536", good[3]!],
      [FIRST, HOST, "Port: +6881", good[3]!],
      [FIRST, HOST, "Port: 06881", good[3]!],
      [FIRST, HOST, "Port: 6881"],
      [FIRST, HOST, "Port: 6881", "Infohash: abcd"],
      [FIRST, HOST, "Port: 6881", `Infohash: ${HASH}00`],
      [FIRST, HOST, "Port: 6881", ...Array.from({ length: 26 }, () => `Infohash: ${HASH}`)],
      [...good, "cookie: a", "cookie: b"],
      [...good, `cookie: ${"a".repeat(65)}`],
      [...good, "no header"],
      [...good, "X: \u0000"],
      [...good, "X: é"],
      [...good, `X: ${"a".repeat(1_400)}`]
    ]
    assert.isTrue(Option.isSome(decode(...good)))
    for (const lines of wrong) assert.isTrue(Option.isNone(decode(...lines)), lines.join(" | ").slice(0, 120))
    const cut = new TextEncoder().encode(good.join("\r\n"))
    assert.isTrue(Option.isNone(LanAnnouncement.decode(cut)), "no end")
    assert.isTrue(Option.isNone(LanAnnouncement.decode(new Uint8Array(0))))
  })
})
