for address; do
  if error=$(openssl s_client -verify_return_error -verify_hostname localhost -connect "$address" 2>&1 </dev/null); then
    echo trusted
  else
    echo "$error" | tr '\n' ' '
    echo
  fi
done
