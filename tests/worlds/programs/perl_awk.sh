# 200 lines a second through four programs and their buffers: mawk reads 4 KiB at a time.
perl -e '$| = 1; for ($i = 1; ; $i++) { print "$i " . ("y" x ($i % 97 * 20)) . "\n"; select undef, undef, undef, 0.005 }' |
	awk '{ print $1, length($2); fflush() }' |
	perl -ne 'BEGIN { $| = 1 } ($n, $l) = split; die "bad line $_" if $l != $n % 97 * 20; print "$n\n"' |
	sed -u 's/^/tick line /' 2>&1
echo "bad end"
