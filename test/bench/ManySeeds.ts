/** One node that seeds 10,000 releases: how long it takes to start, its memory, and how soon it answers for any of them. */
import { spawn } from "node:child_process"
import * as Crypto from "node:crypto"
import * as Fs from "node:fs"
import * as Net from "node:net"
import * as Os from "node:os"
import * as Path from "node:path"
import { createInterface } from "node:readline"
import * as Effect from "effect/Effect"
import type { PublicKey } from "../../src/protocol/core/PublicKey.ts"
import { keyOf } from "../../src/protocol/swarm/PackageStore.ts"
import * as Torrent from "../../src/protocol/swarm/Torrent.ts"
import * as Testnet from "../../src/runtime/dht/Testnet.ts"
import * as OfflineNode from "../../src/runtime/OfflineNode.ts"
import * as StoredFile from "../../src/runtime/store/StoredFile.ts"
import * as Handshake from "../../src/runtime/swarm/Handshake.ts"
import * as Fixtures from "../protocol/registry/Fixtures.ts"
import { median, round } from "./Measure.ts"

const RELEASES = 10_000
const ASKED = 200
const MANIFEST_BYTES = 1_000
const TARBALL_BYTES = 20_000
const PEER_ID = Buffer.from("-XX0000-bench peer 1", "latin1")

const publisher = new Uint8Array(32).fill(7) as PublicKey

/** Written as the store has them: 10,000 commits would take longer than the bench. */
const writeStore = (home: string): ReadonlyArray<Torrent.Torrent> =>
  Array.from({ length: RELEASES }, (_, i) => {
    const name = Fixtures.name(`package-${i}`)
    const version = Fixtures.version("1.0.0")
    const bytes = Crypto.randomBytes(MANIFEST_BYTES + TARBALL_BYTES)
    const pieceLength = Torrent.pieceLengthFor(bytes.length)
    const hashes: Array<Uint8Array> = []
    for (let at = 0; at < bytes.length; at += pieceLength) {
      hashes.push(
        Crypto.createHash("sha1")
          .update(bytes.subarray(at, at + pieceLength))
          .digest()
      )
    }
    const torrent = Torrent.make({
      name,
      version,
      manifestLength: MANIFEST_BYTES,
      tarballLength: TARBALL_BYTES,
      pieces: new Uint8Array(Buffer.concat(hashes))
    })
    const release = {
      ...Fixtures.release(name, version),
      ih: torrent.infohash,
      s: [MANIFEST_BYTES, TARBALL_BYTES] as const,
      p: torrent.pieces
    }
    const directory = Path.join(home, "packages", keyOf(publisher, name, version))
    Fs.mkdirSync(directory, { recursive: true })
    Fs.writeFileSync(Path.join(directory, StoredFile.FILE_NAME), StoredFile.encode({ publisher, release, torrent }))
    Fs.writeFileSync(Path.join(directory, torrent.manifest.path), bytes.subarray(0, MANIFEST_BYTES))
    Fs.writeFileSync(Path.join(directory, torrent.tarball.path), bytes.subarray(MANIFEST_BYTES))
    return torrent
  })

/** From dialling to the first byte of the first block, in ms. */
const firstByte = (port: number, torrent: Torrent.Torrent): Promise<number> =>
  new Promise((resolve, reject) => {
    const started = performance.now()
    const socket = Net.connect({ port, host: Testnet.HOST, noDelay: true })
    let received = Buffer.alloc(0)
    let skip = Handshake.HANDSHAKE_BYTES
    const ask = (): void => {
      const request = Buffer.alloc(17)
      request.writeUInt32BE(13)
      request[4] = 6
      request.writeUInt32BE(16_384, 13)
      socket.write(request)
    }
    socket.on("data", (chunk) => {
      received = Buffer.concat([received, chunk])
      if (received.length < skip) return
      while (received.length >= skip + 5) {
        const length = received.readUInt32BE(skip)
        const id = received[skip + 4]
        if (id === 7 && received.length > skip + 13) {
          socket.destroy()
          return resolve(performance.now() - started)
        }
        if (received.length < skip + 4 + length) return
        if (id === 1) ask()
        skip += 4 + length
      }
    })
    socket.on("error", reject)
    socket.on("close", () => reject(new Error(`no byte of ${torrent.name}`)))
    socket.write(Handshake.encode(torrent.infohash, PEER_ID))
    socket.write(Buffer.from([0, 0, 0, 1, 2]))
  })

interface Told {
  readonly port: number
  readonly startMs: number
  readonly openFiles: number
  readonly rssMb: number
}

/** The seeder is a process of its own, so that its memory is nothing but its own. */
const seeder = async <A>(
  home: string,
  bootstrap: ReadonlyArray<string>,
  use: (next: () => Promise<Told>) => Promise<A>
) => {
  const program = Path.join(import.meta.dirname, "SeedingProcess.ts")
  const child = spawn(process.execPath, ["--expose-gc", program, home, bootstrap.join(",")], {
    stdio: ["pipe", "pipe", "inherit"]
  })
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]()
  try {
    return await use(async () => {
      child.stdin.write("tell\n")
      // Between the answers there may be what was logged.
      while (true) {
        const { value } = await lines.next()
        if (String(value).startsWith("{")) return JSON.parse(String(value)) as Told
      }
    })
  } finally {
    child.kill()
  }
}

export const manySeeds = () =>
  Effect.runPromise(
    Effect.scoped(
      Effect.gen(function* () {
        const { bootstrap } = yield* Testnet.make(8)
        const home = Fs.mkdtempSync(Path.join(Os.tmpdir(), "libreseed-bench-"))
        yield* Effect.addFinalizer(() => Effect.sync(() => Fs.rmSync(home, { recursive: true })))
        const torrents = writeStore(home)
        return yield* Effect.promise(() =>
          seeder(home, bootstrap, async (tell) => {
            const idle = await tell()
            const taken: Array<number> = []
            for (let i = 0; i < ASKED; i++) {
              taken.push(await firstByte(idle.port, torrents[(i * 7_919) % RELEASES]!))
            }
            const busy = await tell()
            const sorted = taken.toSorted((a, b) => a - b)
            return {
              releases: RELEASES,
              startMs: round(idle.startMs, 0),
              rssMb: { idle: idle.rssMb, afterServing: busy.rssMb },
              openFiles: { idle: idle.openFiles, afterServing: busy.openFiles },
              firstByteMs: {
                median: round(median(taken), 1),
                p95: round(sorted[Math.floor(ASKED * 0.95)]!, 1),
                most: round(sorted.at(-1)!, 1)
              }
            }
          })
        )
      })
    ).pipe(Effect.provide(OfflineNode.servingPlatform))
  )
