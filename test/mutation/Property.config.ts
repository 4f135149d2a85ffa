/** How vitest runs one property on the library with a bug in it: the bug's name is in `LIBRESEED_BUG`. */
import * as Path from "node:path"
import { defineConfig } from "vitest/config"
import * as MutantSource from "./MutantSource.ts"
import { mutants } from "./Mutants.ts"

const bug = mutants.find(({ name }) => name === process.env["LIBRESEED_BUG"])

export default defineConfig({
  root: Path.resolve(import.meta.dirname, "../.."),
  plugins: [
    {
      name: "bug",
      enforce: "pre",
      transform: (text, id) =>
        bug !== undefined && id === MutantSource.pathOf(bug) ? MutantSource.changed(bug, text) : undefined
    }
  ],
  test: {
    include: ["property-tests/**/*.test.ts"],
    reporters: ["verbose"],
    testTimeout: 60_000,
    maxWorkers: 1,
    // Else what was loaded without the bug would be loaded again.
    fsModuleCache: false
  }
})
