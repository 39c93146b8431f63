// What teams without a console run: every table with SELECT *, all of it as one JSON.stringify.
// node stringify.js FILE; the server is named by the usual PG... variables.
"use strict";
const fs = require("fs");
const { Client } = require("pg");

async function main(file) {
  const client = new Client();
  await client.connect();
  const listed = await client.query(
    "SELECT table_name FROM information_schema.tables WHERE table_schema = 'public' ORDER BY 1"
  );
  const tables = {};
  for (const { table_name } of listed.rows) {
    tables[table_name] = (await client.query(`SELECT * FROM "${table_name}"`)).rows;
  }
  await client.end();
  fs.writeFileSync(file, JSON.stringify({ exportedAt: new Date().toISOString(), tables }));
}

main(process.argv[2]).catch((error) => {
  console.error(`${error.name}: ${error.message}`);
  process.exit(1);
});
