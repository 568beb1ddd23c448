// One bundle for every page; charts and log colours are chunks of their own, loaded where they are used.
import { defineConfig } from "vite";

const SHARED = /static\/src\/(?:wire|charts|live-socket)\.js$|node_modules\/htmx\.org/;

export default defineConfig({
  base: "/static/dist/",
  publicDir: false,
  build: {
    outDir: "static/dist",
    emptyOutDir: true,
    manifest: "manifest.json",
    // The preload helper would be one more chunk between the entry and its leaves.
    modulePreload: false,
    assetsInlineLimit: 0,
    rollupOptions: {
      input: { main: "static/src/main.js" },
      // What the entry shares with its leaves lies beside it, so that a leaf needs nothing of the entry.
      output: { manualChunks: (id) => (SHARED.test(id) ? "shared" : undefined) },
    },
  },
});
