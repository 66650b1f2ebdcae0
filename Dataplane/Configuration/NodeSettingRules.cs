using System.Text;
using FastExit.Policy;
using FastExit.SelfDescription;

namespace FastExit.Configuration;

/// <summary>What the type and range of each key under [node] do not say yet.</summary>
internal static class NodeSettingRules
{
    private const int LongestText = 1024;

    /// <summary>The first key that is wrong and what is wrong with it; null when all are right.</summary>
    public static (string Key, string Problem)? Broken(ExitSettings settings)
    {
        var node = settings.Node;
        foreach (var text in node.AnnouncedAddresses)
        {
            if (!IpAddressText.TryParse(text, out var address))
                return ("node.announced_addresses", $"has \"{TomlAssignments.Printable(text)}\"; write IP addresses without port, such as \"192.0.2.1\" or \"2001:db8::1\"");
            if (!SettingDraft.IsOneHost(address))
                return ("node.announced_addresses", $"has {text}, which nobody can connect to; give the addresses that others reach");
        }

        if (node.AnnouncedAddresses.Distinct().Count() != node.AnnouncedAddresses.Count)
            return ("node.announced_addresses", "has an address twice; remove one of the two");
        if (node.Hostname is { } name && DnsName.Check(Encoding.UTF8.GetBytes(name)) != DnsNameFault.None)
            return ("node.hostname", $"is \"{TomlAssignments.Printable(name)}\"; give a DNS name without port or scheme, such as \"exit.example.org\", or \"\"");
        if (node.Location is { } country && (country.Length != 2 || !country.All(char.IsAsciiLetterUpper)))
            return ("node.location", $"is \"{TomlAssignments.Printable(country)}\"; give the country's two capital letters, such as \"CH\", or \"\"");
        if (node.BinaryName is null)
            return ("node.binary_name", "must not be empty; \"fastexit\" is this program's");
        if (node.BuildVersion is { } version && !SemanticVersion.TryParse(version, out _))
            return ("node.build_version", $"is \"{TomlAssignments.Printable(version)}\"; give a semantic version, such as \"1.31.0\", or \"\" for this program's");
        if (node.WssPort != 0 && node.Hostname is null)
            return ("node.wss_port", "contradicts node.hostname = \"\": a certificate is for a name; give one, or set wss_port = 0");
        if (node.HttpListen is { } listen && !listen.Port.Equals(0) && settings.MixLink.Listen.Any(mix => mix.Port == listen.Port))
            return ("node.http_listen", $"is {listen}, and mix_link.listen has its port; change one of the two");
        foreach (var (key, text) in new[] { ("binary_name", node.BinaryName), ("moniker", node.Moniker), ("website", node.Website), ("security_contact", node.SecurityContact), ("details", node.Details) })
        {
            if (text is { Length: > LongestText })
                return ($"node.{key}", $"has {text.Length} characters; {LongestText} are the most");
        }

        return null;
    }
}
