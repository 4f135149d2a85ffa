/**
 * Ends what killed or failed installs began in a `node_modules`. A staging directory with a journal is
 * rolled back to the old tree; one without had not begun to move, or had moved everything, and is waste.
 * Being killed here is no different from being killed there: the journal goes before what it is about.
 */
import * as Effect from "effect/Effect"
import * as FileSystem from "effect/FileSystem"
import * as Option from "effect/Option"
import * as InstallJournal from "./InstallJournal.ts"
import * as Staging from "./Staging.ts"
import * as Transaction from "./Transaction.ts"

const end = Effect.fnUntraced(function* (site: Transaction.Site) {
  const fs = yield* FileSystem.FileSystem
  const journal = yield* InstallJournal.read(site.staging)
  if (Option.isSome(journal)) {
    const moves = journal.value
    const parent = yield* Transaction.foreignParent(
      site.modules,
      moves.map(({ destination }) => destination)
    )
    if (parent !== undefined) {
      return yield* new InstallJournal.JournalDamaged({
        directory: site.staging,
        problem: `${parent} leads out of ${site.modules}`
      })
    }
    yield* Transaction.rollBack(site, moves)
  }
  yield* fs.remove(site.staging, { recursive: true, force: true })
})

/** To be run while holding the lock. Fails where the disk does, or with `JournalDamaged`; nothing is lost then. */
export const recover = Effect.fn("Install.recover")(function* (modules: string) {
  const leftovers = yield* Staging.leftovers(modules)
  yield* Effect.forEach(leftovers, (staging) => end({ modules, staging }), { discard: true })
})
