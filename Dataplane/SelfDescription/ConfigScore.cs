namespace FastExit.SelfDescription;

/// <summary>
/// How the network scores what a node says of its program (mix-link.md §6.4): 0 unless the name is `nym-node` and the operators' terms are
/// accepted, else 0.995^((weighted versions behind the newest)^1.65). Performance is routing score × this; default clients leave out
/// gateways below 0.5. Weights and constants are parameters of the network's contract; these are their published defaults.
/// </summary>
internal static class ConfigScore
{
    public const string ScoredName = "nym-node";
    public const double LeastPerformance = 0.5;

    private const double Base = 0.995;
    private const double Exponent = 1.65;
    private const double MajorWeight = 100;
    private const double MinorWeight = 10;

    /// <summary>Lowest version whose IP packet router clients find by themselves.</summary>
    public static readonly SemanticVersion DiscoveredRouter = new(1, 30, 0, "");

    /// <summary>Lowest version whose IP packet router clients ask for version 10 first.</summary>
    public static readonly SemanticVersion RouterOfVersion10 = new(1, 37, 0, "");

    /// <summary>Releases in between are taken to differ by one in the highest number that differs.</summary>
    public static double Of(string binaryName, SemanticVersion version, bool acceptedTerms, SemanticVersion newest)
    {
        if (binaryName != ScoredName || !acceptedTerms)
            return 0;
        if (version >= newest)
            return 1;
        var behind = version.Major != newest.Major ? MajorWeight * (newest.Major - version.Major)
            : version.Minor != newest.Minor ? MinorWeight * (newest.Minor - version.Minor)
            : newest.Patch - version.Patch;
        return Math.Pow(Base, Math.Pow(behind, Exponent));
    }
}
