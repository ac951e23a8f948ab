for address; do
  if error=$(curl --silent --show-error --output /dev/null "https://$address" 2>&1); then
    echo trusted
  else
    echo "$error" | tr '\n' ' '
    echo
  fi
done
