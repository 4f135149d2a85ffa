/** Publishes many packages in this process, where one process for each would take too long. */
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import { Keystore, parseKeyName } from "../../src/protocol/core/Keystore.ts"
import { publishPackage } from "../../src/protocol/swarm/PublishPackage.ts"
import { readPackage } from "../../src/runtime/archive/ReadPackage.ts"
import * as LiveNode from "../../src/runtime/LiveNode.ts"
import type { Person } from "./Person.ts"

/** One after the other, under the person's default key. */
export const publishAll = ({ bootstrap, home }: Person, paths: ReadonlyArray<string>): Promise<void> =>
  Effect.gen(function* () {
    const keystore = yield* Keystore
    const keyPair = yield* keystore.load(Option.getOrThrow(parseKeyName("default")))
    const publish = (path: string) =>
      Effect.flatMap(readPackage(path), (packed) => Effect.scoped(publishPackage(keyPair, packed)))
    yield* Effect.forEach(paths, publish, { discard: true })
  }).pipe(
    Effect.provide(
      LiveNode.layer({ home, host: "127.0.0.1", port: 0, bootstrap: [bootstrap], allowPrivatePeers: true })
    ),
    Effect.runPromise
  )
