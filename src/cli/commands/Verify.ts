/** `ls-cli verify`: every file of a project's node_modules against what its publisher signed. */
import * as Effect from "effect/Effect"
import * as NodePath from "node:path"
import { InvalidProject, TreeChanged } from "../../runtime/install/InstallError.ts"
import * as VerifyTree from "../../runtime/install/VerifyTree.ts"
import * as Stores from "../../runtime/Stores.ts"
import { Output } from "../Output.ts"
import { Session } from "../Session.ts"
import * as Installed from "./Installed.ts"

/** Problems named in the text for people; the document has them all. */
const SHOWN_MAX = 100

export const run = Effect.fnUntraced(function* ({ dir }: { readonly dir: string }) {
  const output = yield* Output
  const session = yield* Session
  const directory = NodePath.resolve(dir)
  yield* Installed.settle(directory)
  const verified = yield* session.limited(
    output
      .task(`Verifying ${NodePath.join(directory, "node_modules")}`, () => VerifyTree.verify(directory))
      .pipe(Effect.provide(Stores.layer(session)))
  )
  if (verified === undefined) {
    return yield* new InvalidProject({
      location: directory,
      problem: "ls-cli has installed nothing there",
      isEmpty: true
    })
  }
  const { built, files, packages, problems } = verified
  yield* output.result({ dir: directory, ...verified }, [
    ...problems.slice(0, SHOWN_MAX).map((each) => `${each.path} ${each.problem}  (${each.package})`),
    ...(problems.length > SHOWN_MAX ? [`… and ${problems.length - SHOWN_MAX} more`] : []),
    `${files} files of ${packages} packages were compared with what was signed: ${problems.length === 0 ? "all are as they should be" : `${problems.length} differ`}`
  ])
  if (built.length > 0) {
    yield* output.note(`Not compared, since their own scripts may have changed them: ${built.join(", ")}`)
  }
  if (problems.length > 0) return yield* new TreeChanged({ directory, problems: problems.length })
})
