/** `ls-cli query <name>`: who publishes a name. */
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Instant from "../../protocol/core/Instant.ts"
import * as PublicKey from "../../protocol/core/PublicKey.ts"
import * as Revocation from "../../protocol/trust/Revocation.ts"
import * as RegistryResolve from "../../protocol/registry/Resolve.ts"
import { Output } from "../Output.ts"
import { Session } from "../Session.ts"
import * as Network from "./Network.ts"
import * as Select from "./Select.ts"

/** Publishers listed as text; a document has them all. */
const LISTED_MAX = 100

const rowOf = (publisher: RegistryResolve.PublisherOfName, isRevoked: boolean) => ({
  publisher: PublicKey.toBase64(publisher.claim.k),
  latestVersion: publisher.claim.lv,
  firstSeen: publisher.claim.fs,
  ...(publisher.observedAt === undefined ? {} : { observedAt: publisher.observedAt }),
  pinned: publisher.isPinned,
  trusted: publisher.isTrusted,
  revoked: isRevoked,
  ...(publisher.seeders === undefined ? {} : { seeders: publisher.seeders }),
  ...(publisher.refusal === undefined ? {} : { refused: publisher.refusal })
})

const lineOf = (row: ReturnType<typeof rowOf>): string => {
  const marks = [
    ...(row.revoked ? ["revoked"] : []),
    ...(row.pinned ? ["pinned"] : []),
    ...(row.trusted ? ["trusted"] : []),
    ...(row.seeders === undefined ? [] : [row.seeders === 1 ? "1 seeder" : `${row.seeders} seeders`]),
    ...(row.refused === undefined ? [] : [`refused: ${row.refused}`])
  ]
  const seen = row.observedAt === undefined ? "" : `, seen here ${Instant.day(row.observedAt)}`
  const dates = `since ${Instant.day(row.firstSeen)}${seen}`
  return `  ${[row.publisher, row.latestVersion, dates, ...marks].join("  ")}`
}

export const run = Effect.fnUntraced(function* (nameText: string, policyText: string) {
  const output = yield* Output
  const session = yield* Session
  const name = yield* Select.nameOf(nameText)
  const policy = yield* Select.policyOf(policyText)
  /** Those that this host has met before are known to be revoked without asking for each of a crowd. */
  const listed = Effect.gen(function* () {
    const publishers = yield* RegistryResolve.publishersOf(name, policy)
    const found = yield* Effect.forEach(publishers, (publisher) =>
      Effect.map(Revocation.recall(publisher.claim.k), (revoked) => rowOf(publisher, Option.isSome(revoked)))
    )
    return { all: found, signed: Math.max(...publishers.map(({ claim }) => claim.t)) }
  })
  const { all, signed } = yield* output.task(`Asking who publishes ${name}`, () =>
    session.limited(listed).pipe(Network.provideRecords)
  )
  // Whoever revoked the key is never taken, whatever the policy says of the others.
  const rows = [...all.filter(({ revoked }) => !revoked), ...all.filter(({ revoked }) => revoked)]
  const more = rows.length - LISTED_MAX
  if (session.offline) {
    yield* output.note(`Note: The network was not asked; the newest of these claims was signed ${Instant.day(signed)}.`)
  }
  yield* output.result({ name, publishers: rows, ...(session.offline ? { signed } : {}) }, [
    `${name}: ${rows.length === 1 ? "1 publisher" : `${rows.length} publishers`}, best first by ${policy.name}`,
    ...rows.slice(0, LISTED_MAX).map(lineOf),
    ...(more > 0 ? [`  … and ${more} more`] : [])
  ])
})
