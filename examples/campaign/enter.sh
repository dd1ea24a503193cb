#!/usr/bin/env bash
# Enters what came of the tutorial's campaign: 174 contacted people, 173 of them leads, 44 of these converted, 78 quotes
# and the first 8 of 9 orders. Usage: enter.sh ADDRESS TOKEN CAMPAIGN CUSTOMER (the last two are ids).
set -euo pipefail
address=$1 token=$2 campaign=$3 customer=$4

# Runs mutations in one operation; prints the ids that it answers with, a line each. One that is refused ends the script.
run() {
  local text=${1//\"/\\\"} answer
  answer=$(curl --silent --show-error --fail-with-body "$address/graphql" \
    -H 'Content-Type: application/json' -H "Authorization: Bearer $token" -d "{\"query\": \"mutation { $text }\"}")
  if [[ $answer == *'"errors"'* ]]; then
    echo "$answer" >&2
    exit 1
  fi
  grep -o '"id":"[^"]*"' <<<"$answer" | cut -d '"' -f 4
}

# Makes `count` records by 20 an operation; $1 says the mutation of record $i.
make() {
  local count=$2 i batch=''
  for ((i = 1; i <= count; i++)); do
    batch+="r$i: $($1 "$i") { id } "
    if ((i % 20 == 0 || i == count)); then
      run "$batch"
      batch=''
    fi
  done
}

lead() {
  local converted=false
  if (($1 <= 44)); then converted=true; fi
  echo "createLead(data: {lastName: \"Lead $1\", converted: $converted, campaignId: \"$campaign\"})"
}
contact() { echo "createContact(data: {lastName: \"Contact $1\"})"; }
member() { echo "createCampaignMember(data: {campaignId: \"$campaign\", memberId: \"${people[$1 - 1]}\"})"; }
quote() { echo "createQuote(data: {subject: \"Quote $1\", organizationId: \"$customer\", campaignId: \"$campaign\"})"; }
order() {
  echo "createSalesOrder(data: {subject: \"Order $1\", organizationId: \"$customer\", campaignId: \"$campaign\", chargesTotal: \"18222.53\"})"
}

mapfile -t people < <({ make lead 173; make contact 1; } | tr ' ' '\n')
make member 174 >/dev/null
make quote 78 >/dev/null
make order 8 >/dev/null
echo "Entered ${#people[@]} people."
