const https = require("https");

const connect = (address) =>
  new Promise((resolve) => {
    https
      .get("https://" + address, (response) => {
        response.destroy();
        resolve("trusted");
      })
      .on("error", (error) => resolve(error.message));
  });

(async () => {
  for (const address of process.argv.slice(2)) {
    console.log(await connect(address));
  }
})();
