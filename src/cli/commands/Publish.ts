/** `ls-cli publish <dir|tgz>`: a package under the user's key. */
import * as Effect from "effect/Effect"
import { explain } from "../../protocol/core/Errors.ts"
import { Keystore } from "../../protocol/core/Keystore.ts"
import * as Quorum from "../../protocol/dht/Quorum.ts"
import type { Step } from "../../protocol/registry/PublicationLog.ts"
import type { PlannedRecord } from "../../protocol/registry/Publish.ts"
import * as Publishable from "../../protocol/registry/Publishable.ts"
import { type PackedPackage, planPackage, publishPackage } from "../../protocol/swarm/PublishPackage.ts"
import { readPackage } from "../../runtime/archive/ReadPackage.ts"
import * as PublicationLock from "../../runtime/store/PublicationLock.ts"
import { Output } from "../Output.ts"
import * as Progress from "../Progress.ts"
import { Session } from "../Session.ts"
import { InvalidArgument } from "../Settings.ts"
import * as Describe from "./Describe.ts"
import { keyNameOf } from "./Keys.ts"
import * as KeepAlive from "./KeepAlive.ts"
import * as Network from "./Network.ts"

export interface Flags {
  readonly key: string
  readonly seed: boolean
  readonly dryRun: boolean
  readonly minAcks: number
}

/** What is going on while a step is done, for people. */
const DOING: { readonly [step in Step]: string } = {
  prepared: "making its manifest and torrent",
  stored: "storing it",
  seeded: "seeding it",
  release: "putting its release record",
  package: "putting the package's record",
  announce: "putting your catalogue",
  claim: "claiming the name"
}

const KINDS: { readonly [kind in PlannedRecord["kind"]]: string } = {
  release: "release",
  package: "package",
  announce: "catalogue",
  nameIndex: "name index"
}

/** How many nodes must hold a record, as `--min-acks` gives it. */
export const acksOf = (count: number): Effect.Effect<number, InvalidArgument> =>
  count >= 1
    ? Effect.succeed(count)
    : Effect.fail(
        new InvalidArgument({
          argument: "--min-acks",
          problem: `${count} is out of range`,
          hint: "A record that no node holds is not published: give 1 or more."
        })
      )

/** Who owns a revoked key needs no other publisher, but another key. */
export const tellingOwner = <A, E, R>(work: Effect.Effect<A, E, R>) =>
  Effect.tapError(work, (error) =>
    explain(error)?._tag === "PublisherRevoked"
      ? Effect.flatMap(Output, (output) =>
          output.note("This key of yours is revoked: publish with your new key (--key).")
        )
      : Effect.void
  )

const plural = (count: number, noun: string): string => `${count} ${noun}${count === 1 ? "" : "s"}`

const planLines = (records: ReadonlyArray<PlannedRecord>): ReadonlyArray<string> => [
  "",
  "Nothing was written. Publishing would write:",
  ...records.map(({ bytes, kind, keyString, pages, seq, state }) => {
    const size = `no. ${seq}, ${bytes} bytes${pages === 0 ? "" : ` and ${plural(pages, "page")}`}`
    return `  ${KINDS[kind].padEnd(10)}  ${state.padEnd(9)}  ${size.padEnd(26)}  ${keyString}`
  })
]

export const run = Effect.fnUntraced(function* (location: string, { dryRun, key, minAcks, seed }: Flags) {
  const output = yield* Output
  const session = yield* Session
  const keyName = yield* keyNameOf(key)
  const acks = yield* acksOf(minAcks)
  if (!dryRun) yield* session.writable
  const pack = Effect.gen(function* () {
    const keyPair = yield* Effect.flatMap(Keystore, (keystore) => keystore.load(keyName))
    const packed = yield* output.task(`Packing ${location}`, () => readPackage(location))
    const files = new Set(Object.keys(packed.files))
    const [obstacle] = Publishable.obstaclesOf(packed.metadata, files)
    if (obstacle !== undefined) {
      return yield* new InvalidArgument({
        argument: labelOf(packed),
        problem: `could be installed by nobody: ${obstacle}`,
        hint: "Nothing was published. Depend on what is published, by name and range."
      })
    }
    for (const lack of Publishable.lacksOf(packed.metadata, files)) yield* output.note(`Note: ${lack}`)
    yield* output.note(
      `${labelOf(packed)}: ${plural(Object.keys(packed.files).length, "file")}, packed ${Progress.size(packed.tarball.length)}`
    )
    return { keyPair, packed }
  })
  const rehearse = Effect.gen(function* () {
    const { keyPair, packed } = yield* pack
    const planned = yield* output.task(`Looking what is published of ${packed.name}`, () =>
      planPackage(keyPair, packed)
    )
    const records = planned.records.map(({ bytes, keyString, kind, seq, state }) => ({
      kind,
      keyString,
      seq,
      bytes,
      state
    }))
    // What is out has the date that it has; else its manifest is dated when it is published.
    const infohashIsFinal = records.some(({ kind, state }) => kind === "release" && state === "unchanged")
    if (!infohashIsFinal) {
      yield* output.note("The infohash will be another one: it covers the date of publishing.")
    }
    yield* output.result({ dryRun: true, ...Describe.document(planned), infohashIsFinal, records }, [
      ...Describe.lines(planned),
      ...planLines(planned.records)
    ])
  })
  const publish = Effect.gen(function* () {
    const { keyPair, packed } = yield* pack
    return yield* output.task(`Publishing ${labelOf(packed)}`, (update) =>
      PublicationLock.alone(publishPackage(keyPair, packed, { onStep: (step) => update(DOING[step]) }))
    )
  })
  yield* Effect.gen(function* () {
    if (dryRun) return yield* session.limited(rehearse)
    const published = yield* session.limited(publish)
    const { resumed, wasOut, ...publication } = published.publication
    if (resumed.length > 0) yield* output.note("This finished a publication that was cut off before.")
    else if (wasOut) yield* output.note("It was published already; its records were refreshed.")
    yield* output.result(Describe.document(published), Describe.lines(published))
    yield* output.note(`Each of its records is held by at least ${plural(publication.acks, "DHT node")}.`)
    if (!seed) {
      return yield* output.note(
        "This command does not serve it. To serve it: ls-cli seed (one that is running does so from now on)"
      )
    }
    yield* output.note("Seeding. Press Ctrl-C to stop.")
    return yield* KeepAlive.run(false)
  }).pipe(tellingOwner, Effect.provideService(Quorum.MinAcks, acks), Effect.scoped, Network.provide)
})

const labelOf = ({ name, version }: PackedPackage): string => `${name}@${version}`
