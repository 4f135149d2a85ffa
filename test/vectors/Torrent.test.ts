/**
 * Torrents of all kinds against the reader of a release's info dictionary. libtorrent loads some of them and refuses
 * the others; none is the torrent of a release, so that every one must be refused here, in words.
 */
import { assert, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Predicate from "effect/Predicate"
import * as Result from "effect/Result"
import * as Crypto from "node:crypto"
import * as Fs from "node:fs"
import * as Path from "node:path"
import * as Bencode from "../../src/protocol/core/Bencode.ts"
import { sha1 } from "../../src/protocol/core/Digest.ts"
import * as Torrent from "../../src/protocol/swarm/Torrent.ts"
import * as Vectors from "./Vectors.ts"

interface Case {
  readonly file: string
  readonly expect: "parse" | "reject"
  readonly libtorrent_error: string | null
  readonly sha256: string
  readonly size: number
}

/** Generous for a busy machine; quadratic work on these inputs takes minutes. */
const MAX_MS = 2000

/** One that is bencoded canonically, so that its info dictionary comes to be read. */
const KNOWN_GOOD = "base.torrent"

const INFO_KEY = new TextEncoder().encode("4:info")

/** The bytes from the info dictionary on, as a peer that lies could send them. */
const fromInfoOn = (bytes: Uint8Array): Uint8Array => {
  const at = Buffer.from(bytes).indexOf(INFO_KEY)
  return at < 0 ? new Uint8Array() : bytes.subarray(at + INFO_KEY.length)
}

/** The info dictionary of a torrent that is bencoded as it should be. */
const infoOf = (bytes: Uint8Array): Uint8Array | undefined => {
  const decoded = Bencode.decode(bytes)
  if (Result.isFailure(decoded)) return undefined
  const info = Predicate.hasProperty(decoded.success, "info") ? decoded.success.info : undefined
  return info === undefined ? undefined : Bencode.encode(info as Bencode.Value)
}

Vectors.topic("torrent", ({ file }) => {
  file<ReadonlyArray<Case>>("index.json", (cases) => {
    for (const { expect, file: name, libtorrent_error: error, sha256, size } of cases) {
      it.effect(`no release: ${name} (libtorrent: ${error ?? expect})`, () =>
        Effect.gen(function* () {
          const bytes = new Uint8Array(Fs.readFileSync(Path.join(Vectors.located.path!, "torrent/files", name)))
          assert.strictEqual(bytes.length, size)
          assert.strictEqual(Crypto.createHash("sha256").update(bytes).digest("hex"), sha256)
          const start = performance.now()
          if (name === KNOWN_GOOD) assert.isDefined(infoOf(bytes))
          for (const info of [infoOf(bytes), fromInfoOn(bytes), bytes]) {
            if (info === undefined) continue
            const infohash = Buffer.from(sha1(info)).toString("hex")
            const refused = yield* Effect.flip(Torrent.fromInfo(info, infohash))
            assert.strictEqual(refused._tag, "InvalidTorrent")
            assert.notStrictEqual(refused.problem, "")
          }
          assert.isBelow(performance.now() - start, MAX_MS)
        })
      )
    }
  })
})
