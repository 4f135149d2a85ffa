/**
 * Somebody without a key forges what he can: claims in the name of a publisher, and with the help of hostile
 * nodes the records themselves. Somebody with a key of his own signs releases that are not what they say.
 * Nobody believes any of it, nothing of it is installed, and the honest package is found all the same.
 */
import * as Clock from "effect/Clock"
import * as DateTime from "effect/DateTime"
import * as Effect from "effect/Effect"
import * as Base64 from "effect/encoding/Base64"
import * as Hex from "effect/encoding/Hex"
import { sha256 } from "../../core/Digest.ts"
import { Hasher } from "../../core/Hasher.ts"
import { PackageName } from "../../core/PackageName.ts"
import * as PublicKey from "../../core/PublicKey.ts"
import { only, Version } from "../../core/Version.ts"
import * as Manifest from "../../registry/Manifest.ts"
import * as NameClaim from "../../registry/NameClaim.ts"
import * as NameIndex from "../../registry/NameIndex.ts"
import * as Publish from "../../registry/Publish.ts"
import type { Release } from "../../registry/Release.ts"
import * as Resolve from "../../registry/Resolve.ts"
import type { Content } from "../../swarm/Content.ts"
import * as PieceHasher from "../../swarm/PieceHasher.ts"
import { Swarm } from "../../swarm/Swarm.ts"
import * as Torrent from "../../swarm/Torrent.ts"
import type { Chance } from "../simulation/Chance.ts"
import * as Fault from "../simulation/Fault.ts"
import { HOUR, make, MINUTE } from "../simulation/Scenario.ts"
import * as Actors from "./Actors.ts"
import * as Adversary from "./Adversary.ts"
import { notYet, Witness } from "./Witness.ts"

const NAME = "genuine"
const ELSEWHERE = "elsewhere"
const FLAWED = "flawed"
/** Published by two, who are both honest about it. */
const SHARED = "shared"
const VERSION = "1.0.0"
const NEWEST = "1.1.0"

/** Of a claim that its publisher never made. */
const FORGED = Version.make("99.0.0")

const PLAY_MS = 40 * MINUTE

const USERS = ["ann", "ben"]

/** What is wrong with a release. All else about it is as it should be, so that nothing but the check of this one thing can tell. */
type Flaw = "tarball" | "manifest"

/** The bytes of a release, and a record that signs others. */
const flawed = (rogue: Actors.Person, version: string, flaw: Flaw, now: number) =>
  Effect.gen(function* () {
    const hasher = yield* Hasher
    const { files, metadata, name, tarball, version: v } = Actors.packed({ name: FLAWED, version })
    const signed = flaw === "tarball" ? sha256(tarball.toReversed()) : sha256(tarball)
    const manifest = yield* Manifest.toBytes({
      ...metadata,
      protocol: Manifest.PROTOCOL,
      name,
      version: v,
      publisher: PublicKey.toBase64(rogue.publicKey),
      tarball: {
        sha256: Hex.encode(signed),
        sha512: `sha512-${Base64.encode(new Uint8Array(64))}`,
        size: tarball.length
      },
      files,
      contentHash: Manifest.contentHash(files),
      createdAt: DateTime.formatIso(DateTime.makeUnsafe(now))
    })
    const bytes = Uint8Array.from([...manifest, ...tarball])
    const pieces = PieceHasher.make(Torrent.pieceLengthFor(bytes.length), () => hasher.start("sha1"))
    pieces.update(bytes)
    const torrent = Torrent.make({
      name,
      version: v,
      manifestLength: manifest.length,
      tarballLength: tarball.length,
      pieces: pieces.digest()
    })
    const release: Release = {
      n: name,
      v,
      m: flaw === "manifest" ? sha256(manifest.toReversed()) : sha256(manifest),
      h: signed,
      ih: torrent.infohash,
      s: [manifest.length, tarball.length],
      p: torrent.pieces,
      t: now
    }
    return { bytes, release, torrent }
  })

const contentOf = (bytes: Uint8Array): Content => ({
  read: (offset, length) => Effect.sync(() => bytes.slice(offset, offset + length)),
  write: () => Effect.void
})

/** Claims that their publisher never made: signed by nobody, or signed for another name. */
const forgedClaim = (chance: Chance, genuine: NameClaim.NameClaim, now: number): NameClaim.NameClaim => {
  const t = now + chance.between(1, 5 * MINUTE)
  return chance.is(0.5)
    ? { ...genuine, lv: FORGED, t, s: chance.bytes(genuine.s.length) }
    : { ...genuine, lv: FORGED, t }
}

export const forgeries = make({
  name: "forgeries",
  about: "claims, records and releases are forged; nobody believes any of it, nothing of it is installed",
  convergesWithinMs: HOUR,
  faults: (chance) => [
    Fault.byzantine({ atMs: 0, forMs: PLAY_MS }, chance.between(10, 50) / 100, "garbage"),
    ...(chance.is(0.5) ? [Fault.churn({ atMs: 0, forMs: PLAY_MS }, chance.fraction() / 4)] : []),
    ...(chance.is(0.5)
      ? [Fault.loss({ atMs: chance.below(PLAY_MS), forMs: 10 * MINUTE }, chance.between(0, 20) / 100)]
      : [])
  ],
  play: Effect.fnUntraced(function* (world) {
    const { chance } = world
    const [owner, rogue, forger, ...users] = yield* Actors.people(world, ["owner", "rogue", "forger", ...USERS])
    const witness = new Witness()
    const name = PackageName.make(NAME)

    yield* owner!.publish({ name: NAME, version: VERSION })
    owner!.keepAlive()

    /** Whoever reads the name is told of what its publishers said, and of nothing else. */
    const reads = (who: Actors.Person) =>
      Effect.tap(who.host.run(Resolve.publishersOf(name)), (found) =>
        Effect.sync(() => {
          for (const { claim } of found) {
            if (claim.lv === FORGED) witness.object(`${who.host.name} believes a forged claim on ${NAME}`)
          }
          witness.count("read")
        })
      )
    const forge = forger!.host.run(
      Effect.gen(function* () {
        const now = yield* Clock.currentTimeMillis
        const { claims } = yield* NameIndex.read(name, { askPeers: false })
        const genuine = [...claims.values()]
        const [first] = genuine
        if (first === undefined) return
        const forged = forgedClaim(chance, first, now)
        // Beside others, or alone: there is room for both in a record.
        const strangers = yield* Adversary.fakeClaims(world, ELSEWHERE, chance.below(3), {
          firstSeen: 0,
          timestamp: now
        })
        const value = NameIndex.toBytes(NameClaim.fromClaims([...genuine.slice(1), forged, ...strangers]))
        yield* Adversary.overwriteName(forger!.host, NAME, (current) => ({ seq: (current?.seq ?? 0) + 1, value }))
        witness.count("forged")
      })
    )
    const publishFlawed = (version: string, flaw: Flaw) =>
      rogue!.host.open(
        Effect.gen(function* () {
          const now = yield* Clock.currentTimeMillis
          const { bytes, release, torrent } = yield* flawed(rogue!, version, flaw, now)
          world.truth.signs(rogue!.publicKey, release)
          const swarm = yield* Swarm
          yield* swarm.seed(torrent, contentOf(bytes))
          yield* Publish.publish(rogue!.keyPair, release)
          witness.count("flawed releases")
        })
      )
    const installFlawed = (user: Actors.Person, version: Version) =>
      Effect.tap(user.install(FLAWED, only(version)), () =>
        Effect.sync(() =>
          witness.object(`${user.host.name} installed ${FLAWED}@${version}, which is not what was signed`)
        )
      )

    const sharers = [owner!, rogue!]
    /** One user runs two commands in one moment, each for another publisher. */
    const torn = Effect.all(
      chance
        .shuffled(sharers)
        .map((sharer) => Effect.exit(users[0]!.install(SHARED, "latest", { publisher: sharer.publicKey }))),
      { concurrency: "unbounded" }
    )

    const flaws: ReadonlyArray<readonly [string, Flaw]> = [
      ["1.0.0", "tarball"],
      ["1.1.0", "manifest"]
    ]
    const publication = owner!.publish({ name: NAME, version: NEWEST })
    return {
      laws: [witness.law("nothing that is forged is believed, and nothing of it installed")],
      steps: [
        ...Array.from({ length: chance.between(2, 6) }, () => ({
          atMs: chance.below(PLAY_MS - 5 * MINUTE),
          title: `somebody forges a claim on ${NAME}`,
          run: forge
        })),
        ...flaws.map(([version, flaw]) => ({
          atMs: chance.below(10 * MINUTE),
          title: `rogue publishes ${FLAWED}@${version}, whose ${flaw} is another`,
          run: publishFlawed(version, flaw)
        })),
        ...sharers.map((sharer) => ({
          atMs: chance.below(10 * MINUTE),
          title: `${sharer.host.name} publishes ${SHARED}@${VERSION}`,
          run: sharer.publish({ name: SHARED, version: VERSION })
        })),
        {
          atMs: chance.between(15 * MINUTE, PLAY_MS),
          title: `${USERS[0]} installs ${SHARED} from both of its publishers in one moment`,
          run: torn
        },
        { atMs: chance.below(PLAY_MS), title: `owner publishes ${NAME}@${NEWEST}`, run: publication },
        ...users.flatMap((user) => [
          ...Array.from({ length: 3 }, () => ({
            atMs: chance.below(PLAY_MS),
            title: `${user.host.name} asks who publishes ${NAME}`,
            run: reads(user)
          })),
          { atMs: chance.below(PLAY_MS), title: `${user.host.name} installs ${NAME}`, run: user.install(NAME) },
          ...flaws.map(([version]) => ({
            atMs: chance.between(10 * MINUTE, PLAY_MS),
            title: `${user.host.name} installs ${FLAWED}@${version}`,
            run: installFlawed(user, Version.make(version))
          }))
        ])
      ],
      goals: [
        { title: `owner publishes ${NAME}@${NEWEST}, in the end`, reach: publication },
        ...users.map((user) => ({
          title: `${user.host.name} installs ${NAME}@${NEWEST}`,
          reach: Effect.flatMap(Effect.andThen(reads(user), user.install(NAME)), ({ release }) =>
            release.v === NEWEST ? Effect.void : notYet(`${user.host.name} gets ${release.v}`)
          )
        }))
      ],
      figures: () => witness.figures(["read", "forged", "flawed releases"])
    }
  })
})
