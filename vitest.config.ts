import * as Os from "node:os"
import * as Path from "node:path"
import { defineConfig } from "vitest/config"

const source = (path: string) => Path.resolve(import.meta.dirname, "src", path)

export default defineConfig({
  test: {
    pool: "forks",
    // One less is the default, which leaves half of a small machine idle.
    maxWorkers: Os.availableParallelism(),
    reporters: ["default"],
    projects: [
      {
        // What users import by the package's name, in the guides, is here the source.
        resolve: {
          alias: [
            { find: /^@libreseed\/protocol$/, replacement: source("protocol/index.ts") },
            { find: /^@libreseed\/protocol\/testing$/, replacement: source("protocol/testing/index.ts") },
            { find: /^@libreseed\/protocol\/node$/, replacement: source("runtime/index.ts") }
          ]
        },
        test: {
          name: "source",
          include: ["test/**/*.test.ts", "property-tests/**/*.test.ts"],
          exclude: ["test/bench/**", "test/interop/**", "test/package/**", "node_modules/**"],
          testTimeout: 30_000,
          hookTimeout: 30_000
        }
      },
      {
        test: {
          name: "interop",
          include: ["test/interop/**/*.test.ts"],
          testTimeout: 60_000,
          hookTimeout: 60_000,
          // Programs of others wait by the clock: after the other tests, not beside them.
          sequence: { groupOrder: 1 }
        }
      },
      {
        test: {
          name: "package",
          include: ["test/package/**/*.test.ts"],
          testTimeout: 120_000,
          hookTimeout: 120_000,
          // Installing and bundling take all cores: after the other tests, and one file at a time.
          fileParallelism: false,
          sequence: { groupOrder: 2 }
        }
      }
    ]
  }
})
