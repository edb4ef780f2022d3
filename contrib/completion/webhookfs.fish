# fish completion for webhookfs. The options are asked of the program itself.

function __webhookfs_options
    # the list so far, up to its last comma, goes before each
    set -l before (string replace -r '[^,]*$' '' -- (commandline -ct | string replace -r '^-o' ''))
    webhookfs -h 2>/dev/null | string match -rg '^  ([a-z_]+=)' | string replace -r '^' -- "$before"
end

complete -c webhookfs -s f -d 'Stay in the foreground'
complete -c webhookfs -s d -d 'Likewise, and show the requests of FUSE'
complete -c webhookfs -l top -d 'Show what a mount is doing'
complete -c webhookfs -s h -d 'List the options'
complete -c webhookfs -s V -d 'Print the version'
complete -c webhookfs -s o -x -a '(__webhookfs_options)'
complete -c webhookfs -x -a '(__fish_complete_directories)'
