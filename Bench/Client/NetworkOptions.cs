using System.CommandLine;
using System.CommandLine.Parsing;
using FastExit.Bench.Lab;
using FastExit.Bench.Lab.Api;

namespace FastExit.Bench.Client;

/// <summary>How a client's command line names its network: a lab's folder, or a directory and an entry gateway.</summary>
internal sealed class NetworkOptions
{
    private readonly Option<string?> _lab = new("--lab") { Description = "Folder of the lab" };

    private readonly Option<Uri?> _directory = new("--directory")
    {
        Description = "Instead of a folder: the directory's URL, for example http://127.0.0.1:18080/api",
        CustomParser = DirectoryOptions.ParseUri,
    };

    private readonly Option<string?> _gateway = new("--gateway") { Description = "With --directory: identity of the entry gateway" };
    private readonly Option<string?> _provider = new("--provider") { Description = "Address of the service; default: the lab's exit" };

    public void AddTo(Command command)
    {
        foreach (Option option in new Option[] { _lab, _directory, _gateway, _provider })
            command.Options.Add(option);
        command.Validators.Add(result =>
        {
            bool directory = result.GetValue(_directory) is not null;
            if (directory == result.GetValue(_lab) is not null)
                result.AddError("Option '--lab' is required, or --directory with --gateway and --provider instead");
            else if (directory && (result.GetValue(_gateway) is null || result.GetValue(_provider) is null))
                result.AddError("--directory needs --gateway and --provider too");
        });
    }

    public ClientTarget Read(ParseResult result) => new()
    {
        Lab = result.GetValue(_lab) is { } folder ? new LabDirectory(folder) : null,
        Address = result.GetValue(_directory) is { } directory ? new NetworkAddress(directory, result.GetValue(_gateway)!) : null,
        Provider = result.GetValue(_provider),
    };
}

/// <summary>A network, and the service in it that a client is for: of a lab's folder, or named one by one.</summary>
internal sealed record ClientTarget
{
    public LabDirectory? Lab { get; init; }

    public NetworkAddress? Address { get; init; }

    /// <summary>Null: the one of the lab's exit.</summary>
    public string? Provider { get; init; }

    /// <summary>For messages to people.</summary>
    public string Name => Lab?.Path ?? Address!.Directory.ToString();

    public static ClientTarget Of(LabDirectory lab, string? provider = null) => new() { Lab = lab, Provider = provider };

    /// <exception cref="LabException">The folder holds no running lab.</exception>
    public NetworkAddress Resolve() => Address ?? NetworkAddress.Of(Lab!);
}
